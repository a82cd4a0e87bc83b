import { describe, expect, test } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config/index.ts';

const acme =
  'authorities=[{name: acme, identity: a.pub, url: "http://realm.test/vouch"}, {name: notary, identity: n.pub}]';

function problemsOf(rule: string): string[] {
  try {
    loadConfig({ overrides: [acme, `calls.rules=[${rule}]`] });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
}

describe('call rules are checked on load', () => {
  test('a rule as an operator writes it', () => {
    const rule =
      '{callee: "jis:reception", claim: employee, of: acme, hours: "08:00-18:00", days: mon-fri, timezone: Europe/Berlin}';
    expect(problemsOf(rule)).toEqual([]);
  });

  test.each([
    ['{claim: employee, of: acme}', 'calls.rules[0].callee: must be given'],
    ['{callee: a, claim: employee}', 'calls.rules[0].of: must name the authority that signs the claim'],
    ['{callee: a, of: acme}', 'calls.rules[0].claim: must say which claim the authority has to have signed'],
    ['{callee: a, claim: x, of: nobody}', 'calls.rules[0].of: "nobody" is not among the authorities'],
    ['{callee: a, realm: notary}', 'calls.rules[0].realm: notary has no url, so that it can confirm nobody'],
    ['{callee: a, hours: "8-18"}', 'calls.rules[0].hours: must be like 08:00-18:00, not "8-18"'],
    ['{callee: a, days: weekdays}', 'calls.rules[0].days: must be like mon-fri, or one day, not "weekdays"'],
    ['{callee: a, timezone: Mars}', 'calls.rules[0].timezone: must be a time zone like Europe/Berlin'],
    ['{callee: a, minAssurance: 4}', 'calls.rules[0].minAssurance: must be at most 3'],
    [
      '{callee: a, sometimes: true}',
      'calls.rules[0].sometimes: there is no such key; see docs/configuration.md',
    ],
  ])('%s', (rule, problem) => expect(problemsOf(rule)).toEqual([problem]));
});

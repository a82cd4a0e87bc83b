import { describe, expect, test } from 'vitest';
import { formatVkey, noteKey, parsePolicy, parseTrust, parseVkey } from '../../src/verify/index.ts';

const key = (fill: number, type: Parameters<typeof noteKey>[1] = 'cosignature-ed25519'): string =>
  formatVkey(
    noteKey(
      `w.example/${fill}`,
      type,
      new Uint8Array(type === 'cosignature-ml-dsa-44' ? 1312 : 32).fill(fill),
    ),
  );
const log = formatVkey(noteKey('example.com/log', 'ed25519', new Uint8Array(32).fill(99)));
const five = [1, 2, 3, 4, 5].map((one) => `witness W${one} ${key(one)}`).join('\n');

describe('C2SP tlog-policy', () => {
  test('groups within groups count as the specification has it', () => {
    const policy = parsePolicy(`# who we trust
      log ${log} https://example.com/log
${five}\tx

\tgroup X 2 W1 W2 W3
group Y any W4 W5
group all-of-them all X Y
quorum all-of-them
`);
    const satisfied = (...names: readonly string[]): boolean => policy.satisfiedBy(new Set(names));
    expect(satisfied('W1', 'W3', 'W5')).toBe(true);
    expect(satisfied('W1', 'W2', 'W3')).toBe(false);
    expect(satisfied('W1', 'W4', 'W5')).toBe(false);
    expect(policy.logs.map(({ url }) => url)).toEqual(['https://example.com/log']);
    expect(policy.witnesses.at(-1)?.url).toBe('x');
    expect(parseTrust('', `log ${log}\nquorum none\n`).logs).toHaveLength(1);
  });

  test('quorum none asks for nobody, and makes nothing witnessed', () => {
    const policy = parsePolicy('quorum none\n');
    expect(policy.asksForWitnesses).toBe(false);
    expect(policy.satisfiedBy(new Set(['W1']))).toBe(false);
  });

  test('takes ML-DSA-44 keys for witnesses, and no witness key for a log', () => {
    expect(parsePolicy(`witness a ${key(1, 'cosignature-ml-dsa-44')}\nquorum a`).witnesses).toHaveLength(1);
  });

  test.each([
    ['no quorum', five],
    ['two quorums', `${five}\nquorum W1\nquorum W2`],
    ['an undefined quorum', `quorum W1`],
    ['a group before its members', `group X any W1\n${five}\nquorum X`],
    ['a member twice', `${five}\ngroup X any W1 W1\nquorum X`],
    ['a member of two groups', `${five}\ngroup X any W1\ngroup Y any W1\nquorum X`],
    ['none as a member', `${five}\ngroup X any none\nquorum X`],
    ['a threshold of nothing', `${five}\ngroup X 0 W1\nquorum X`],
    ['a threshold over all', `${five}\ngroup X 2 W1\nquorum X`],
    ['an empty group', `${five}\ngroup X all\nquorum X`],
    ['a name twice', `${five}\ngroup W1 any W2\nquorum W1`],
    ['the same key twice', `${five}\nwitness W6 ${key(1)}\nquorum W1`],
    ['a log key for a witness', `witness a ${log}\nquorum a`],
    ['a witness key for a log', `log ${key(1)}\nquorum none`],
    ['another keyword', `trust everybody\nquorum none`],
    ['a control character', `quorum none\r`],
    ['a broken key', `witness a b+c+d\nquorum a`],
  ])('refuses %s', (_, text) => {
    expect(() => parsePolicy(text)).toThrow(expect.objectContaining({ code: 'policy' }));
  });
});

describe('C2SP signed-note', () => {
  test('reads the verifier key of the specification, and no other text for it', () => {
    const vkey = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
    expect(parseVkey(vkey)).toMatchObject({ name: 'example.com/foo', type: 'ed25519' });
    expect(formatVkey(parseVkey(vkey))).toBe(vkey);
    for (const other of [
      vkey.replace('530d903a', '530d903b'),
      vkey.replace('foo', 'fo o'),
      `${vkey}=`,
      vkey.toUpperCase(),
    ])
      expect(() => parseVkey(other)).toThrow(expect.objectContaining({ code: 'vkey' }));
  });
});

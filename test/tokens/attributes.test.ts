import { describe, expect, test } from 'vitest';
import {
  type Attribute,
  type AttributeLevel,
  createIntentToken,
  decodeIntentToken,
  mergeAttributes,
} from '../../src/tokens/index.ts';
import { identityNumber } from './identities.ts';
import { intentOptions, invite, message } from './intents.ts';
import { codeOf } from './vectors.ts';

const levels: readonly AttributeLevel[] = [
  'identity',
  'intent',
  'message',
  'identity+message',
  'intent+message',
  'identity+intent',
];

const attributes: readonly Attribute[] = levels.map((level) => ({ name: level, value: true, level }));

function names(found: readonly Attribute[]): readonly string[] {
  return found.map(({ name }) => name).sort();
}

describe('attributes', () => {
  test('seed 32: an identity token shows exactly the levels that include the identity', () => {
    const { token } = identityNumber(1, 'jis:alice', { attributes });
    expect(names(token.attributes)).toEqual(['identity', 'identity+intent', 'identity+message']);
  });

  test('seed 32: the intent of a session shows exactly the levels that include the intent', () => {
    const token = decodeIntentToken(createIntentToken({ ...intentOptions(invite), attributes }));
    expect(names(token.attributes)).toEqual(['identity+intent', 'intent', 'intent+message']);
  });

  test.each([
    ['a MESSAGE', message],
    ['a request inside a dialog', { ...invite, method: 'INFO', toTag: 'x' }],
  ])('seed 32: %s shows exactly the levels that include the message', (_name, request) => {
    const token = decodeIntentToken(createIntentToken({ ...intentOptions(request), attributes }));
    expect(names(token.attributes)).toEqual(['identity+message', 'intent+message', 'message']);
  });

  test('seed 26: an intent takes the attributes of identity and node together; the identity’s value wins', () => {
    const node: readonly Attribute[] = [
      { name: 'site', value: 'plant 2', level: 'intent' },
      { name: 'role', value: 'gateway', level: 'intent' },
    ];
    const identity: readonly Attribute[] = [{ name: 'role', value: 'agent', level: 'intent' }];
    expect(mergeAttributes(identity, node)).toEqual([
      { name: 'role', value: 'agent', level: 'intent' },
      { name: 'site', value: 'plant 2', level: 'intent' },
    ]);
  });

  test.each<[string, readonly Attribute[]]>([
    ['one name twice', [...attributes.slice(0, 1), ...attributes.slice(0, 1)]],
    ['an empty name', [{ name: '', value: 1, level: 'identity' }]],
    ['a value of 1,025 bytes', [{ name: 'a', value: new Uint8Array(1_025), level: 'identity' }]],
    [
      'more than 32',
      Array.from({ length: 33 }, (_, i) => ({ name: `n${i}`, value: i, level: 'identity' as const })),
    ],
  ])('refuses %s', (_name, wrong) => {
    expect(codeOf(() => identityNumber(1, 'jis:alice', { attributes: wrong }))).toBe('attribute');
  });
});

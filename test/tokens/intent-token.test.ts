import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBase64Url, encodeBase64Url, encodeHex } from '../../src/base/index.ts';
import {
  type CalleeClaim,
  calleeHash,
  carriedIdentity,
  createIntentToken,
  decodeIntentToken,
  defaultIntentTokenLimits,
  fitIntentText,
  type IntentRequest,
  type IntentTokenOptions,
  intentSubject,
  legDigest,
  mediaDigest,
  sha256,
  signingKeyFromSeed,
  TokenError,
  verifyIntentToken,
} from '../../src/tokens/index.ts';
import { identityNumber, nodeNumber, start } from './identities.ts';
import { alice, intentOptions, invite, register } from './intents.ts';
import { codeOf, fromHex, readVectors } from './vectors.ts';

interface VectorOptions {
  readonly signer: string;
  readonly onBehalfOf: string | null;
  readonly audience: string;
  readonly iat: number;
  readonly exp: number;
  readonly cti: string;
  readonly nonce: string | null;
  readonly request: Omit<IntentRequest, 'toTag' | 'contact'> & {
    readonly toTag: string | null;
    readonly contact: string | null;
  };
  readonly callee: { readonly fingerprint: string } | { readonly salt: string; readonly hash: string };
  readonly intent: IntentTokenOptions['intent'];
  readonly parents: readonly string[];
  readonly assurance: IntentTokenOptions['assurance'];
  readonly identityToken: string | null;
}

const vectors = readVectors<{
  readonly valid: readonly {
    readonly name: string;
    readonly seed: string;
    readonly publicKey: string;
    readonly options: VectorOptions;
    readonly legDigest: string;
    readonly mediaDigest: string | null;
    readonly headerValue: string;
  }[];
  readonly invalid: readonly { readonly name: string; readonly code: string; readonly headerValue: string }[];
  readonly forged: readonly {
    readonly name: string;
    readonly publicKey: string;
    readonly headerValue: string;
  }[];
  readonly digests: {
    readonly callee: Readonly<Record<'address' | 'salt' | 'preimage' | 'hash', string>>;
    readonly leg: Readonly<Record<'preimage' | 'digest', string>>;
    readonly media: Readonly<Record<'preimage' | 'digest', string>>;
  };
}>('intent-token.json');

function optionsOf(vector: VectorOptions, seed: string): IntentTokenOptions {
  const { onBehalfOf, nonce, identityToken, request, callee } = vector;
  const meant: CalleeClaim =
    'fingerprint' in callee ? callee : { salt: fromHex(callee.salt), hash: fromHex(callee.hash) };
  return {
    signer: { key: signingKeyFromSeed(fromHex(seed)), fingerprint: vector.signer },
    audience: vector.audience,
    iat: vector.iat,
    exp: vector.exp,
    cti: fromHex(vector.cti),
    request: { ...request, toTag: request.toTag ?? undefined, contact: request.contact ?? undefined },
    callee: meant,
    intent: vector.intent,
    parents: vector.parents.map(fromHex),
    assurance: vector.assurance,
    ...(onBehalfOf === null ? {} : { onBehalfOf }),
    ...(nonce === null ? {} : { nonce: fromHex(nonce) }),
    ...(identityToken === null ? {} : { identityToken: fromHex(identityToken) }),
  };
}

describe('intent token', () => {
  test.each(vectors.valid)('vector: $name', ({ seed, publicKey, options, headerValue, ...digests }) => {
    expect(createIntentToken(optionsOf(options, seed))).toBe(headerValue);
    const token = decodeIntentToken(headerValue);
    expect(verifyIntentToken(token, fromHex(publicKey))).toBe(true);
    expect(token).toMatchObject({
      signer: options.signer,
      audience: options.audience,
      issuedAt: options.iat,
      expires: options.exp,
      method: options.request.method,
      intent: options.intent,
      assurance: options.assurance,
    });
    expect(token.onBehalfOf ?? null).toBe(options.onBehalfOf);
    expect(encodeHex(token.cti)).toBe(options.cti);
    expect(token.nonce ? encodeHex(token.nonce) : null).toBe(options.nonce);
    expect(encodeHex(token.legDigest)).toBe(digests.legDigest);
    expect(token.mediaDigest ? encodeHex(token.mediaDigest) : null).toBe(digests.mediaDigest);
    expect(token.parents.map(encodeHex)).toEqual(options.parents);
  });

  test.each(vectors.invalid)('is refused: $name', ({ headerValue, code }) => {
    expect(codeOf(() => decodeIntentToken(headerValue))).toBe(code);
  });

  test.each(vectors.forged)('does not verify: $name', ({ headerValue, publicKey }) => {
    expect(verifyIntentToken(decodeIntentToken(headerValue), fromHex(publicKey))).toBe(false);
  });

  test('digests are SHA-256 of their published preimages', () => {
    const { callee, leg, media } = vectors.digests;
    for (const { preimage, digest } of [leg, media, { ...callee, digest: callee.hash }])
      expect(encodeHex(sha256(fromHex(preimage)))).toBe(digest);
    expect(encodeHex(calleeHash(callee.address, fromHex(callee.salt)))).toBe(callee.hash);
  });

  test('stays within the size that leaves room in a UDP request of 1,300 bytes', () => {
    for (const { headerValue, options } of vectors.valid)
      if (options.identityToken === null) expect(headerValue.length).toBeLessThan(500);
  });

  test('the media digest knows no order, case or repetition, and is absent without keys', () => {
    const one = mediaDigest(['SHA-256 aa:bb', 'sha-1 CC:DD']);
    expect(mediaDigest(['sha-1 cc:dd', 'sha-256 AA:BB', ' sha-256  AA:BB '])).toEqual(one);
    expect(mediaDigest(['sha-256 AA:BC', 'sha-1 CC:DD'])).not.toEqual(one);
    expect(mediaDigest([])).toBeUndefined();
  });

  test('the Contact counts for REGISTER only', () => {
    expect(legDigest({ ...register, contact: '<sip:x@y>' })).not.toEqual(legDigest(register));
    expect(legDigest({ ...invite, contact: '<sip:x@y>' })).toEqual(legDigest(invite));
  });

  test('no field can flow into its neighbour', () => {
    expect(legDigest({ ...invite, fromTag: 'ab', toUri: 'c' })).not.toEqual(
      legDigest({ ...invite, fromTag: 'a', toUri: 'bc' }),
    );
  });

  test('seed 26: issuer is the identity’s fingerprint, the node is named, the topic is hashed', () => {
    const node = nodeNumber(0x0d).token.fingerprint;
    const topic = 'what:you:always:wanted:to:talk:about';
    const token = decodeIntentToken(createIntentToken({ ...intentOptions(invite), node, topic }));
    expect(token).toMatchObject({ signer: alice.token.fingerprint, node, subject: intentSubject(topic) });
  });

  test('seed 26: sender and receiver find each other by the subject', () => {
    const sender = decodeIntentToken(createIntentToken({ ...intentOptions(invite), topic: 'alarms' }));
    expect(sender.subject).toBe(intentSubject('alarms'));
    expect(sender.subject).not.toBe(intentSubject('alarm'));
  });

  test('seed 26, 34: an intent never outlives its identity', () => {
    const options = intentOptions(invite);
    const signer = { ...options.signer, expires: start + 30 };
    expect(decodeIntentToken(createIntentToken({ ...options, signer })).expires).toBe(start + 30);
    const ended = { ...options.signer, expires: start - 1 };
    expect(codeOf(() => createIntentToken({ ...options, signer: ended }))).toBe('lifetime');
  });

  test('the identity token that comes along is the signer’s or is refused', () => {
    const options = { ...intentOptions(invite), identityToken: alice.token.bytes };
    const token = decodeIntentToken(createIntentToken(options));
    expect(carriedIdentity(token)?.fingerprint).toBe(alice.token.fingerprint);
    const bob = identityNumber(0xb0, 'jis:bob');
    const foreign = decodeIntentToken(createIntentToken({ ...options, identityToken: bob.token.bytes }));
    expect(codeOf(() => carriedIdentity(foreign))).toBe('kid');
    expect(carriedIdentity(decodeIntentToken(createIntentToken(intentOptions(invite))))).toBeUndefined();
  });

  test('a gateway that signs on behalf of a phone cannot claim the phone’s key', () => {
    const options = { ...intentOptions(invite), onBehalfOf: alice.token.fingerprint };
    expect(codeOf(() => createIntentToken(options))).toBe('assurance');
    expect(decodeIntentToken(createIntentToken({ ...options, assurance: 1 })).onBehalfOf).toBe(
      alice.token.fingerprint,
    );
  });

  test('limits are checked: length, parents, text', () => {
    const options = { ...intentOptions(invite), parents: Array(3).fill(new Uint8Array(32)) };
    const value = createIntentToken(options);
    const limited = (limit: object): (() => unknown) => {
      return () => decodeIntentToken(value, { ...defaultIntentTokenLimits, ...limit });
    };
    expect(codeOf(limited({ maxLength: 100 }))).toBe('too-large');
    expect(codeOf(limited({ maxParents: 2 }))).toBe('claims');
    expect(codeOf(limited({ maxIntentText: 5 }))).toBe('claims');
  });

  test.each<[string, Partial<IntentTokenOptions>]>([
    ['a text of 513 characters', { intent: { code: 'invite', text: 'x'.repeat(513) } }],
    ['no text', { intent: { code: 'invite', text: '' } }],
    ['a code of 33 characters', { intent: { code: 'x'.repeat(33), text: 'x' } }],
    ['a cti of 8 bytes', { cti: new Uint8Array(8) }],
    ['a nonce of 65 bytes', { nonce: new Uint8Array(65) }],
    ['a Session-ID of 129 characters', { request: { ...invite, sessionId: 'x'.repeat(129) } }],
  ])('nothing is signed that a receiver would refuse: %s', (_name, change) => {
    expect(codeOf(() => createIntentToken({ ...intentOptions(invite), ...change }))).toBe('claims');
  });

  test('a declared text is made to fit without halving a character', () => {
    expect(fitIntentText('  callback ')).toBe('callback');
    expect(fitIntentText('ab\u{1f600}', 3)).toBe('ab');
    expect(fitIntentText('a\ud800b')).toBe('a\ufffdb');
    expect(fitIntentText('x'.repeat(600))).toHaveLength(512);
  });

  test('each changed byte is refused by the decoder or by the signature', () => {
    const bytes = decodeBase64Url(createIntentToken(intentOptions(invite))) ?? new Uint8Array();
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x01;
      let accepted = false;
      try {
        accepted = verifyIntentToken(decodeIntentToken(encodeBase64Url(changed)), alice.key.publicKey);
      } catch (error) {
        expect(error).toBeInstanceOf(TokenError);
      }
      expect(accepted, `byte ${at}`).toBe(false);
    }
  });

  test('property: an arbitrary header value only ever raises TokenError', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (value) => {
        expect(codeOf(() => decodeIntentToken(value))).toBeTruthy();
      }),
    );
  });
});

test('what is made by hand-checked claims is exactly what a receiver reads', () => {
  const text = (max: number): fc.Arbitrary<string> => fc.string({ maxLength: max });
  const anything = fc.record({
    audience: text(260),
    iat: fc.integer({ min: -2, max: 2_000_000_000 }),
    exp: fc.integer({ min: 0, max: 2_000_000_000 }),
    cti: fc.uint8Array({ minLength: 15, maxLength: 17 }),
    nonce: fc.option(fc.uint8Array({ maxLength: 66 }), { nil: undefined }),
    method: text(34),
    code: text(34),
    intent: text(520),
    parents: fc.array(fc.uint8Array({ minLength: 31, maxLength: 33 }), { maxLength: 18 }),
    sessionId: fc.option(text(130), { nil: undefined }),
    assurance: fc.constantFrom(0, 1, 2, 3) as fc.Arbitrary<0 | 1 | 2 | 3>,
    onBehalf: fc.boolean(),
  });
  fc.assert(
    fc.property(anything, ({ method, code, intent, sessionId, onBehalf, nonce, ...rest }) => {
      const made = (signer: IntentTokenOptions['signer']): string =>
        createIntentToken({
          ...intentOptions({ ...invite, method, sessionId }),
          ...rest,
          ...(nonce === undefined ? {} : { nonce }),
          ...(onBehalf ? { onBehalfOf: alice.token.fingerprint } : {}),
          signer,
          intent: { code, text: intent },
        });
      const signer = { key: alice.key, fingerprint: alice.token.fingerprint };
      const whole = outcomeOf(() => made({ ...signer, expires: 2_000_000_001 }));
      expect(outcomeOf(() => made(signer))).toEqual(whole);
      if ('value' in whole) expect(() => decodeIntentToken(whole.value)).not.toThrow();
    }),
    { numRuns: 400 },
  );
});

/** A value, or the code of the error. */
function outcomeOf(make: () => string): { readonly value: string } | { readonly code: string } {
  try {
    return { value: make() };
  } catch (error) {
    return { code: error instanceof TokenError ? error.code : String(error) };
  }
}

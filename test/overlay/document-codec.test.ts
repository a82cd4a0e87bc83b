import { Encoder } from 'cbor-x';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeDocument, encodeDocument } from '../../src/overlay/document-codec.ts';
import { type DocumentKind, type IdentityDocument, OverlayError } from '../../src/overlay/index.ts';
import { sampleIdentity, storedBinding } from './samples.ts';

const bytes = fc.uint8Array({ maxLength: 100 });
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.stringMatching(/^[a-z2-7]{52}$/),
  fc.stringMatching(/^[0-9a-f]{32}$/),
);
const number = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.double({ noNaN: true }).map((value) => value + 0),
);

describe('the encoding of documents', () => {
  it('property: a standing comes back as it was, whatever its members and numbers are', () => {
    const standing = fc.record(
      {
        verified: number,
        failed: number,
        lastProofAtMs: fc.option(number, { nil: undefined }),
        revokedAtMs: fc.option(number, { nil: undefined }),
        weights: fc.record({ verified: number, failed: number }, { noNullPrototype: true }),
        tombstone: bytes,
      },
      { requiredKeys: ['verified', 'failed', 'lastProofAtMs', 'revokedAtMs'], noNullPrototype: true },
    );
    fc.assert(
      fc.property(standing, (document) => {
        expect(decodeDocument('standing', encodeDocument('standing', document))).toStrictEqual(document);
      }),
    );
  });

  it('property: texts come back as they were, those that are kept as bytes included', () => {
    const credential = fc.record(
      {
        ...{ username: text, realm: text, fingerprint: text, ha1Md5: text, ha1Sha256: text },
        createdAtMs: fc.nat(),
        ha1Sha512256: text,
      },
      {
        requiredKeys: ['username', 'realm', 'fingerprint', 'ha1Md5', 'ha1Sha256', 'createdAtMs'],
        noNullPrototype: true,
      },
    );
    fc.assert(
      fc.property(credential, (document) => {
        expect(decodeDocument('credential', encodeDocument('credential', document))).toStrictEqual(document);
      }),
    );
  });

  it('property: identities and bindings come back as they were, whichever of their members are there', () => {
    const identity = fc.record(
      {
        ...{ fingerprint: text, name: text, publicKey: bytes, token: bytes },
        ...{ issuedAt: fc.nat(), notBefore: fc.nat(), expires: fc.nat(), createdAtMs: number },
        custody: fc.constantFrom('device', 'gateway'),
        status: fc.constantFrom('active', 'pending'),
        aliases: fc.array(text, { maxLength: 3 }),
        ...{ realm: text, parent: text, successor: text, succession: bytes },
        predecessors: fc.array(text, { maxLength: 3 }),
      },
      {
        requiredKeys: [
          ...(['fingerprint', 'name', 'publicKey', 'token', 'issuedAt', 'notBefore', 'expires'] as const),
          ...(['createdAtMs', 'custody', 'status', 'aliases'] as const),
        ],
        noNullPrototype: true,
      },
    );
    const binding = fc.record(
      {
        instanceId: fc.option(text, { nil: undefined }),
        regId: fc.option(fc.nat(), { nil: undefined }),
        userAgent: fc.option(text, { nil: undefined }),
        ...{ flowId: text, node: text, qValue: fc.nat(), path: fc.array(text, { maxLength: 3 }) },
        contactParams: fc.array(
          fc.record({ name: text, value: fc.option(text, { nil: undefined }) }, { noNullPrototype: true }),
          { maxLength: 3 },
        ),
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(identity, fc.array(binding, { maxLength: 3 }), (document, some) => {
        expect(decodeDocument('identity', encodeDocument('identity', document))).toStrictEqual(document);
        const all = { sequence: 7, bindings: some.map((one) => ({ ...storedBinding(), ...one })) };
        expect(decodeDocument('bindings', encodeDocument('bindings', all))).toStrictEqual(all);
      }),
    );
  });

  it('property: arbitrary bytes give a document or an OverlayError', () => {
    const kinds: readonly DocumentKind[] = ['identity', 'bindings', 'endpoint', 'home'];
    fc.assert(
      fc.property(fc.constantFrom(...kinds), bytes, (kind, body) => {
        try {
          decodeDocument(kind, Uint8Array.of(1, ...body));
        } catch (error) {
          expect(error).toBeInstanceOf(OverlayError);
        }
      }),
    );
  });

  it('keeps an identity in a third of the bytes, its token byte for byte', () => {
    const { token } = sampleIdentity('jis:alice');
    const document: IdentityDocument = {
      ...{ fingerprint: token.fingerprint, name: token.subject, publicKey: token.publicKey },
      ...{ issuedAt: token.issuedAt, notBefore: token.notBefore, expires: token.expires },
      ...{ token: token.bytes, custody: 'device', aliases: [], createdAtMs: 1, status: 'active' },
    };
    const stored = encodeDocument('identity', document);
    expect(stored.length).toBeLessThan(300);
    const read = decodeDocument('identity', stored);
    expect({ ...read, token: Buffer.from(read.token) }).toStrictEqual({
      ...document,
      token: Buffer.from(token.bytes),
    });
  });

  it('reads the CBOR of the first format, and refuses a format that it does not know', () => {
    const old = new Encoder({ useRecords: false, variableMapSize: true });
    const document = { sequence: 3, bindings: [storedBinding()] };
    expect(decodeDocument('bindings', old.encode(document))).toEqual(document);
    const unknown = Uint8Array.of(2, ...encodeDocument('bindings', document).subarray(1));
    expect(() => decodeDocument('bindings', unknown)).toThrow(
      expect.objectContaining({ code: 'store-corrupt' }),
    );
  });
});

import { readFileSync } from 'node:fs';
import { concatBytes, encodeBase64Url } from '../../../src/base/index.ts';
import {
  type CborMap,
  type CborValue,
  decodeCbor,
  decodeCoseSign1,
  decodeIntentToken,
  encodeCbor,
  fingerprintBytes,
  fingerprintOf,
  type IdentityToken,
  type SigningKey,
  signCoseSign1,
} from '../../../src/tokens/index.ts';
import type { KeyIdentity } from '../../support/sip-agent.ts';

/** What a token consists of before it is signed. */
export interface TokenParts {
  readonly protectedHeader: CborMap;
  readonly unprotectedHeader: CborMap;
  readonly payload: Uint8Array;
}

const alg = 1;
const ed25519 = -19;
const polymorphic = -8;
const cnf = 8;
const coseKey = 1;
const keyX = -2;

/** Changes of a token's form that its signature covers: whoever makes them holds the key. */
export const hostileForms: Readonly<Record<string, (parts: TokenParts) => TokenParts>> = {
  'alg -8': (parts) => ({
    ...parts,
    protectedHeader: new Map([...parts.protectedHeader, [alg, polymorphic]]),
  }),
  'alg in the unprotected header': (parts) => ({
    ...parts,
    protectedHeader: new Map([...parts.protectedHeader].filter(([label]) => label !== alg)),
    unprotectedHeader: new Map([...parts.unprotectedHeader, [alg, ed25519]]),
  }),
  'a duplicate key': (parts) => {
    const first = firstPair(parts.payload);
    return { ...parts, payload: concatBytes(mapOfOneMore(parts.payload), first, parts.payload.subarray(1)) };
  },
  'an integer that is not the shortest': (parts) => {
    const [key = 0] = parts.payload.subarray(1);
    const longer = concatBytes(Uint8Array.of(0x18, key), parts.payload.subarray(2));
    return { ...parts, payload: concatBytes(parts.payload.subarray(0, 1), longer) };
  },
};

/** A token of another form, signed with `key` over exactly these bytes. */
export function reshaped(
  headerValue: string,
  key: SigningKey,
  change: (parts: TokenParts) => TokenParts,
): string {
  const { sign1 } = decodeIntentToken(headerValue);
  const { protectedHeader, unprotectedHeader, payload } = change({
    protectedHeader: sign1.protectedMap,
    unprotectedHeader: sign1.unprotectedMap,
    payload: sign1.payload ?? new Uint8Array(0),
  });
  const header = encodeCbor(protectedHeader);
  const signature = key.sign(encodeCbor(['Signature1', header, new Uint8Array(0), payload]));
  const body = encodeCbor([header, unprotectedHeader, payload, signature]);
  return encodeBase64Url(concatBytes(Uint8Array.of(0xd2), body));
}

/** An identity whose key is a point of small order: one signature fits all that it could ever say. */
export function smallOrderIdentity(model: IdentityToken): KeyIdentity {
  const { publicKey, signature } = smallOrderForgery();
  const key: SigningKey = { publicKey, sign: () => signature };
  const sign1 = decodeCoseSign1(model.bytes);
  const payload = mapOf(decodeCbor(sign1.payload ?? new Uint8Array(0)));
  const confirmed = mapOf(payload.get(cnf));
  const forged = new Map<number | string, CborValue>(
    [...payload].map(([label, value]) => {
      if (label !== cnf) return [label, withForgedCore(value, signature)];
      return [label, new Map([[coseKey, new Map([...mapOf(confirmed.get(coseKey)), [keyX, publicKey]])]])];
    }),
  );
  const fingerprint = fingerprintOf(signature);
  const bytes = signCoseSign1({
    key,
    kid: fingerprintBytes(fingerprint),
    typ: sign1.typ ?? '',
    payload: encodeCbor(forged),
  });
  return { key, token: { ...model, publicKey, fingerprint, bytes, coreSignature: signature } };
}

/** The core signature is the only byte string of 64 in the private claim. */
function withForgedCore(value: CborValue, signature: Uint8Array): CborValue {
  if (!(value instanceof Map)) return value;
  const isSignature = (member: CborValue): boolean => member instanceof Uint8Array && member.length === 64;
  return new Map(
    [...mapOf(value)].map(([label, member]) => [label, isSignature(member) ? signature : member]),
  );
}

function mapOf(value: CborValue | undefined): CborMap {
  if (value instanceof Map) return value;
  throw new Error('the token has no map here');
}

function smallOrderForgery(): { readonly publicKey: Uint8Array; readonly signature: Uint8Array } {
  const file = new URL('../../vectors/ed25519-strict.json', import.meta.url);
  const { smallOrderForgery: found }: { smallOrderForgery: Record<'publicKey' | 'signature', string> } =
    JSON.parse(readFileSync(file, 'utf8'));
  return { publicKey: Buffer.from(found.publicKey, 'hex'), signature: Buffer.from(found.signature, 'hex') };
}

/** Head of a map (major type 5, up to 22 pairs) with one pair more. */
function mapOfOneMore(map: Uint8Array): Uint8Array {
  return Uint8Array.of((map[0] ?? 0) + 1);
}

/** The first pair of a map whose first key is a small integer and whose first value a short text: the audience. */
function firstPair(map: Uint8Array): Uint8Array {
  const textLength = (map[2] ?? 0) & 0x1f;
  return map.subarray(1, 3 + textLength);
}

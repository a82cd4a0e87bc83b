import { decodeCbor } from './cbor-decoder.ts';
import { type CborMap, type CborValue, encodeCbor, encodeTaggedCbor, overCbor } from './cbor-encoder.ts';
import { TokenError } from './errors.ts';
import { type SigningKey, signatureBytes } from './keys.ts';

/** RFC 9052 §3.1 and RFC 9596 §2: the header labels in use. */
export const coseHeader = { alg: 1, crit: 2, kid: 4, typ: 16 } as const;

/** RFC 9864 §2.2: Ed25519, fully specified. The polymorphic EdDSA (-8) is refused. */
export const algEd25519 = -19;

/** RFC 9052 §2: tag 18, the one-byte head of every COSE_Sign1. */
const tagSign1 = 0xd2;

const empty = new Uint8Array(0);
const noHeaders: CborMap = new Map();

/** A decoded COSE_Sign1 whose form is right and whose signature nobody has checked yet. */
export interface CoseSign1 {
  readonly alg: number;
  readonly kid: Uint8Array | undefined;
  readonly typ: string | undefined;
  readonly protectedMap: CborMap;
  readonly unprotectedMap: CborMap;
  /** null: the payload is detached and has to be given to `toBeSigned`. */
  readonly payload: Uint8Array | null;
  readonly signature: Uint8Array;
  /** The Sig_structure of RFC 9052 §4.4; throws when there is no payload, or two. */
  toBeSigned(detachedPayload?: Uint8Array, externalAad?: Uint8Array): Uint8Array;
}

export interface CoseSign1Options {
  readonly key: SigningKey;
  readonly kid: Uint8Array;
  /** RFC 9596: also the context that keeps one kind of token from passing as another. */
  readonly typ: string;
  readonly payload: Uint8Array;
  readonly protectedExtra?: CborMap;
  readonly unprotected?: CborMap;
  /** The payload is signed but travels elsewhere. */
  readonly detached?: boolean;
  readonly externalAad?: Uint8Array;
}

/** A tagged COSE_Sign1 (RFC 9052 §4.2) in deterministic CBOR. */
export function signCoseSign1(options: CoseSign1Options): Uint8Array {
  const { protectedBytes, signature } = signCoseParts(options);
  const payload = options.detached === true ? null : options.payload;
  return encodeSign1Parts(protectedBytes, options.unprotected ?? noHeaders, payload, signature);
}

/** Of such a one what is signed with the payload, and the signature. */
export function signCoseParts(options: Omit<CoseSign1Options, 'detached' | 'unprotected'>): {
  readonly protectedBytes: Uint8Array;
  readonly signature: Uint8Array;
} {
  const headers = new Map<number | string, CborValue>(options.protectedExtra ?? noHeaders);
  headers.set(coseHeader.alg, algEd25519);
  headers.set(coseHeader.kid, options.kid);
  headers.set(coseHeader.typ, options.typ);
  const protectedBytes = encodeCbor(headers);
  const signature = overCbor(sigStructure(protectedBytes, options.externalAad, options.payload), (signed) =>
    options.key.sign(signed),
  );
  return { protectedBytes, signature };
}

export function encodeSign1Parts(
  protectedBytes: Uint8Array,
  unprotected: CborMap,
  payload: Uint8Array | null,
  signature: Uint8Array,
): Uint8Array {
  return encodeTaggedCbor(tagSign1, [protectedBytes, unprotected, payload, signature]);
}

/**
 * Strict: tag 18, deterministic CBOR throughout, alg Ed25519 in the protected header and nowhere else, no label
 * in both headers, nothing critical that is unknown. Throws TokenError. The bytes come from the network.
 */
export function decodeCoseSign1(bytes: Uint8Array): CoseSign1 {
  if (bytes[0] !== tagSign1) throw new TokenError('cose-malformed', 'COSE_Sign1 must carry tag 18');
  const parts = decodeCbor(bytes.subarray(1));
  if (!Array.isArray(parts) || parts.length !== 4)
    throw new TokenError('cose-malformed', 'COSE_Sign1 is an array of four');
  const [protectedBytes, unprotectedMap, payload, signature]: readonly (CborValue | undefined)[] = parts;
  if (
    !(protectedBytes instanceof Uint8Array) ||
    !(unprotectedMap instanceof Map) ||
    !(payload === null || payload instanceof Uint8Array) ||
    !(signature instanceof Uint8Array)
  )
    throw new TokenError('cose-malformed', 'a part of COSE_Sign1 has the wrong type');
  if (signature.length !== signatureBytes)
    throw new TokenError('cose-malformed', 'an Ed25519 signature has 64 bytes');
  const protectedMap = protectedHeaders(protectedBytes, unprotectedMap);
  return {
    alg: algEd25519,
    kid: optionalKid(protectedMap),
    typ: optionalTyp(protectedMap),
    protectedMap,
    unprotectedMap,
    payload,
    signature,
    toBeSigned: (detachedPayload, externalAad) => {
      const signed = payload ?? detachedPayload;
      if (signed === undefined || (payload !== null && detachedPayload !== undefined))
        throw new TokenError('cose-malformed', 'exactly one payload is needed: attached or detached');
      return encodeCbor(sigStructure(protectedBytes, externalAad, signed));
    },
  };
}

function protectedHeaders(bytes: Uint8Array, unprotectedMap: CborMap): CborMap {
  // RFC 9052 §3: an empty header is a zero-length string; without alg it is no use here anyway.
  const headers = bytes.length === 0 ? noHeaders : decodeCbor(bytes);
  if (!(headers instanceof Map)) throw new TokenError('cose-malformed', 'the protected header is not a map');
  if (unprotectedMap.has(coseHeader.alg)) throw new TokenError('alg', 'alg stands in the unprotected header');
  if (headers.get(coseHeader.alg) !== algEd25519) throw new TokenError('alg', 'alg is not Ed25519 (-19)');
  if (headers.has(coseHeader.crit) || unprotectedMap.has(coseHeader.crit))
    throw new TokenError('cose-malformed', 'a critical header is not understood');
  for (const label of [coseHeader.kid, coseHeader.typ])
    if (unprotectedMap.has(label))
      throw new TokenError('cose-malformed', 'kid and typ belong in the protected header');
  for (const label of unprotectedMap.keys())
    if (headers.has(label)) throw new TokenError('cose-malformed', 'a label stands in both headers');
  return headers;
}

function optionalKid(headers: CborMap): Uint8Array | undefined {
  const kid = headers.get(coseHeader.kid);
  if (kid === undefined || kid instanceof Uint8Array) return kid;
  throw new TokenError('kid', 'kid is not a byte string');
}

function optionalTyp(headers: CborMap): string | undefined {
  const typ = headers.get(coseHeader.typ);
  if (typ === undefined || typeof typ === 'string') return typ;
  throw new TokenError('typ', 'typ is not text');
}

/** RFC 9052 §4.4. */
function sigStructure(
  protectedBytes: Uint8Array,
  externalAad: Uint8Array | undefined,
  payload: Uint8Array,
): readonly CborValue[] {
  return ['Signature1', protectedBytes, externalAad ?? empty, payload];
}

import { concat, encodeBase32, equal, utf8 } from './bytes.ts';
import { type Cbor, type CborMap, decodeCbor, Expect } from './cbor.ts';
import { head, item } from './commitment.ts';
import { blake2b256, sha256, verifyEd25519 } from './crypto.ts';
import { VerifyError } from './error.ts';
import { coseToBeSigned } from './receipt.ts';
import type { Layer, OpenedRecord } from './record.ts';

// docs/audit-format.md, "Signed intents": the caller's own token, or the gateway's on its behalf.

const form = new Expect('intent', 'the intent token of a call');
/** RFC 9052 §3.1, RFC 9596, RFC 9864. */
const header = { alg: 1, kid: 4, typ: 16 } as const;
const algEd25519 = -19;
/** RFC 8392 §4, RFC 8747 §3.1, and the private claim with its members. */
const claim = { iat: 6, cnf: 8, intent: -70001 } as const;
const confirmedKid = 3;
const member = { method: 1, leg: 3, intent: 5, assurance: 7 } as const;
/** A gateway keeps no more characters of an address: what was cut cannot be computed again. */
const maxKept = 1_024;

/** Who signed for a call and what it was for, checked. */
export interface SignedIntent {
  /** The caller with its own key, or a gateway that cannot know what the caller meant. */
  readonly by: 'caller' | 'gateway';
  /** Fingerprint of the signing identity, and what that identity calls itself. */
  readonly signer: string;
  readonly name: string;
  readonly intent: string;
  /** POSIX seconds, by the signer's clock. */
  readonly signedAt: number;
  /** Whether it was recomputed that the signature is for this call: its parties, its Call-ID, its CSeq. */
  readonly forThisCall: boolean;
}

/** What of a record its token is held against. */
export type IntentRecord = Pick<OpenedRecord, 'erin' | 'eraan' | 'erachter' | 'intent'> & {
  readonly parties: readonly { readonly fingerprint: string; readonly role: string }[];
};

/**
 * Undefined when the record carries no token. Throws VerifyError `intent` when the token does not hold or says otherwise.
 * `verify` is Ed25519, as strict as `verifyEd25519`.
 */
export function checkSignedIntent(
  record: IntentRecord,
  verify: typeof verifyEd25519 = verifyEd25519,
): SignedIntent | undefined {
  const signed = record.erachter?.['signed'];
  if (signed === undefined) return undefined;
  const { token, signer, leg } = partsOf(signed);
  const [protectedBytes, , payload, signature] = sign1Of(token);
  const headers = form.map(decodeCbor(protectedBytes, 'intent'));
  if (headers.get(header.alg) !== algEd25519 || headers.get(header.typ) !== 'tibet-intent+cwt')
    throw failed('the headers of its intent token are not those of one');
  const identity = identityOf(signer, form.bytes(headers.get(header.kid), 32), verify);
  if (!verify(identity.publicKey, coseToBeSigned(protectedBytes, payload), signature))
    throw failed('its intent token was not signed by the identity that it names, or was changed');
  if (!referencesIn(record).includes(reference(token)))
    throw failed('its intent token is not the one that the record rests on');
  const claims = form.map(decodeCbor(payload, 'intent'));
  const details = form.map(claims.get(claim.intent));
  const intent = form.text(form.array(details.get(member.intent), 2)[1]);
  if (intent !== record.intent) throw failed('its intent token declares something else than the record');
  const by = signedBy(record, identity.fingerprint, claims, details);
  return {
    by,
    signer: identity.fingerprint,
    name: identity.subject,
    intent,
    signedAt: form.count(claims.get(claim.iat)),
    forThisCall: isForThisCall(record, details, leg),
  };
}

function partsOf(signed: unknown): {
  readonly token: Uint8Array;
  readonly signer: unknown;
  readonly leg: unknown;
} {
  if (
    typeof signed === 'object' &&
    signed !== null &&
    'token' in signed &&
    'signer' in signed &&
    'leg' in signed
  ) {
    const { token, signer, leg } = signed;
    if (token instanceof Uint8Array) return { token, signer, leg };
  }
  throw failed('what was signed of its intent has another form');
}

/** COSE_Sign1 (RFC 9052 §4.2) under tag 18, with its payload. */
function sign1Of(token: Uint8Array): readonly [Uint8Array, CborMap, Uint8Array, Uint8Array] {
  if (token[0] !== 0xd2) throw failed('its intent token is no COSE_Sign1');
  const [protectedBytes, unprotected, payload, signature] = form.array(
    decodeCbor(token.subarray(1), 'intent'),
    4,
  );
  return [form.bytes(protectedBytes), form.map(unprotected), form.bytes(payload), form.bytes(signature, 64)];
}

interface SigningIdentity {
  readonly fingerprint: string;
  readonly subject: string;
  readonly publicKey: Uint8Array;
}

/** A fingerprint hashes the signature over the identity's core, which that very key made. */
function identityOf(core: unknown, kid: Uint8Array, verify: typeof verifyEd25519): SigningIdentity {
  const [kind, realm, issuer, subject, publicKey, signature]: readonly unknown[] = Array.isArray(core)
    ? core
    : [];
  if (
    typeof kind !== 'string' ||
    !(realm === null || typeof realm === 'string') ||
    typeof issuer !== 'string' ||
    typeof subject !== 'string' ||
    !(publicKey instanceof Uint8Array) ||
    !(signature instanceof Uint8Array)
  )
    throw failed('the identity that signed its intent has another form');
  const signed = encodeArray(['tibet-core-v1', kind, realm, issuer, subject, publicKey]);
  if (!equal(blake2b256(signature), kid) || !verify(publicKey, signed, signature))
    throw failed('the key that signed its intent is not that of the identity that it names');
  return { fingerprint: encodeBase32(kid), subject, publicKey };
}

/** Never shown higher than it is: a gateway's signature is not the caller's, whatever the record says. */
function signedBy(
  { erin, parties }: IntentRecord,
  signer: string,
  claims: CborMap,
  details: CborMap,
): SignedIntent['by'] {
  const caller = parties.find(({ role }) => role === 'caller')?.fingerprint;
  const cnf = claims.get(claim.cnf);
  const assurance = details.get(member.assurance);
  if (erin?.['signedBy'] === 'device') {
    if (cnf !== undefined || signer !== caller)
      throw failed('the record says that the caller signed, and its intent token that somebody else did');
    return 'caller';
  }
  const onBehalfOf = cnf === undefined ? undefined : form.bytes(form.map(cnf).get(confirmedKid), 32);
  if (onBehalfOf !== undefined && encodeBase32(onBehalfOf) !== caller)
    throw failed('its intent token was signed on behalf of somebody else than the caller');
  if (assurance !== erin?.['assurance'])
    throw failed('its intent token says otherwise than the record who vouched for the caller');
  return 'gateway';
}

/** The leg digest again: what a proxy may change is not in it. */
function isForThisCall({ erin }: IntentRecord, details: CborMap, leg: unknown): boolean {
  const [fromTag, cseq]: readonly unknown[] = Array.isArray(leg) ? leg : [];
  const [from, to, callId] = ['from', 'to', 'callId'].map((key) => textIn(erin, key));
  if (typeof fromTag !== 'string' || typeof cseq !== 'number' || details.get(member.method) !== 'INVITE')
    throw failed('its intent token is not one for a call');
  if (from === undefined || to === undefined || callId === undefined) return false;
  if (from.length === maxKept || to.length === maxKept) return false;
  const digest = sha256(encodeArray(['tibet-leg-v1', 'INVITE', from, fromTag, to, null, callId, cseq, null]));
  if (!equal(digest, form.bytes(details.get(member.leg), 32)))
    throw failed('its intent token was signed for another call');
  return true;
}

function textIn(layer: Layer | undefined, key: string): string | undefined {
  const value = layer?.[key];
  return typeof value === 'string' ? value : undefined;
}

function referencesIn({ eraan }: IntentRecord): readonly unknown[] {
  const tokens = eraan?.['tokens'];
  return Array.isArray(tokens) ? tokens : [];
}

/** SHA-256 of a token in base64url, as records refer to it. */
function reference(token: Uint8Array): string {
  const text = btoa(String.fromCharCode(...sha256(token)));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Deterministic CBOR (RFC 8949 §4.2.1) of what digests and signatures of intents and identities are made over. */
function encodeArray(values: readonly (string | number | null | Uint8Array)[]): Uint8Array {
  return concat(head(0x80, values.length), ...values.map(encoded));
}

function encoded(value: Cbor): Uint8Array {
  if (typeof value === 'string') return item(0x60, utf8(value));
  if (typeof value === 'number') return head(0x00, value);
  return value instanceof Uint8Array ? item(0x40, value) : Uint8Array.of(0xf6);
}

function failed(why: string): VerifyError {
  return new VerifyError('intent', why);
}

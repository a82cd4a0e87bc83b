import { decodeBase64Url, encodeBase64Url, equalBytes } from '../base/index.ts';
import {
  checkValidity,
  decodeIdentityToken,
  decodeIntentToken,
  decodeSuccession,
  decodeTombstone,
  type Fingerprint,
  type IdentityToken,
  type IntentRequest,
  TokenError,
  verifyIntentToken,
  verifySuccession,
} from '../tokens/index.ts';
import { FederationError } from './errors.ts';

/** What a domain says of one of its identities; each part signs itself. */
export interface PublishedIdentity {
  /** The identity token: its fingerprint follows from it. */
  readonly identity: Uint8Array;
  /** The intent token of its latest REGISTER, signed by the identity: that its home is this domain, and since when. */
  readonly home: string;
  /** Identity token of the gateway that signs for phones that cannot. */
  readonly gateway: Uint8Array;
  /** The key's own word that it is not to be trusted any more. */
  readonly tombstone?: Uint8Array;
  /** Whose place it has taken, the latest first, each with both keys' signatures. */
  readonly predecessors?: readonly PublishedPredecessor[];
}

export interface PublishedPredecessor {
  /** The old identity's token. */
  readonly token: Uint8Array;
  readonly succession: Uint8Array;
}

/** So many changes of key are told, and believed; a record stays small. */
export const maxPredecessors = 8;

/** An identity of another domain after every check. */
export interface VerifiedIdentity {
  readonly domain: string;
  readonly token: IdentityToken;
  /** Seconds: when the identity last said that the domain is its home. */
  readonly homeSince: number;
  readonly gateway: IdentityToken;
  /** Whose place it has taken, proved by both keys. */
  readonly predecessors: readonly IdentityToken[];
}

export interface PublishedExpectations {
  readonly domain: string;
  /** What was asked for: one of both. */
  readonly fingerprint?: Fingerprint;
  readonly name?: string;
  /** Seconds. */
  readonly now: number;
  /** How old the identity's own word may be. */
  readonly maxAgeSeconds: number;
}

/** How far the clock of a phone may be ahead. */
const clockToleranceSeconds = 60;

export function encodePublished(published: PublishedIdentity): string {
  const { identity, home, gateway, tombstone, predecessors } = published;
  return JSON.stringify({
    identity: encodeBase64Url(identity),
    home,
    gateway: encodeBase64Url(gateway),
    ...(tombstone && { tombstone: encodeBase64Url(tombstone) }),
    ...(predecessors && {
      predecessors: predecessors.map(({ token, succession }) => ({
        token: encodeBase64Url(token),
        succession: encodeBase64Url(succession),
      })),
    }),
  });
}

/** Strict; the text comes from the network. Throws FederationError `malformed`. */
export function readPublished(text: string): PublishedIdentity {
  const members = parseObject(text);
  const bytes = (name: string, of = members): Uint8Array => {
    const member = of[name];
    const decoded = typeof member === 'string' ? decodeBase64Url(member) : undefined;
    if (decoded === undefined) throw new FederationError('malformed', `the record has no usable ${name}`);
    return decoded;
  };
  const { home, predecessors } = members;
  if (typeof home !== 'string') throw new FederationError('malformed', 'the record has no usable home');
  return {
    identity: bytes('identity'),
    home,
    gateway: bytes('gateway'),
    ...(members['tombstone'] !== undefined && { tombstone: bytes('tombstone') }),
    ...(Array.isArray(predecessors) && {
      predecessors: predecessors.slice(0, maxPredecessors).map((entry: unknown) => {
        const of = asObject(entry);
        return { token: bytes('token', of), succession: bytes('succession', of) };
      }),
    }),
  };
}

/** Throws FederationError for whatever does not prove itself. */
export function verifyPublished(
  published: PublishedIdentity,
  expected: PublishedExpectations,
): VerifiedIdentity {
  const { domain, fingerprint, name, now, maxAgeSeconds } = expected;
  try {
    const token = decodeIdentityToken(published.identity);
    if (token.kind !== 'identity') throw forged('the record is of no identity');
    const predecessors = provedPredecessors(token, published.predecessors ?? []);
    const line = [token, ...predecessors].map((each) => each.fingerprint);
    if (fingerprint !== undefined && !line.includes(fingerprint)) throw forged('another identity');
    if (name !== undefined && token.subject !== name) throw forged('another name');
    if (published.tombstone !== undefined) {
      const tombstone = decodeTombstone(published.tombstone);
      if (equalBytes(tombstone.token.publicKey, token.publicKey))
        throw new FederationError('revoked', 'the identity has been revoked by its own key');
    }
    if (checkValidity(token, now) !== 'valid') throw new FederationError('stale', 'the token has ended');
    const home = decodeIntentToken(published.home);
    if (home.signer !== token.fingerprint || !verifyIntentToken(home, token.publicKey))
      throw forged('its home is not signed by the identity');
    if (home.method !== 'REGISTER' || home.audience.toLowerCase() !== domain)
      throw forged('the identity has named another home');
    if (home.issuedAt > now + clockToleranceSeconds) throw forged('its home is of the future');
    if (home.issuedAt < now - maxAgeSeconds) throw new FederationError('stale', 'its home is out of date');
    const gateway = decodeIdentityToken(published.gateway);
    return { domain, token, homeSince: home.issuedAt, gateway, predecessors };
  } catch (cause) {
    if (cause instanceof TokenError) throw new FederationError('malformed', cause.message, { cause });
    throw cause;
  }
}

/** What an identity in a gateway's custody signs in place of a REGISTER. */
export function homeRequest(user: string, domain: string): IntentRequest {
  const address = `sip:${user}@${domain}`;
  return {
    method: 'REGISTER',
    fromUri: address,
    fromTag: 'home',
    toUri: address,
    toTag: undefined,
    callId: 'home',
    cseq: 1,
    contact: undefined,
    dtlsFingerprints: [],
  };
}

function forged(what: string): FederationError {
  return new FederationError('forged', `not to be believed: ${what}`);
}

/** A chain that leads from identity to identity, each of them named by the one before; throws for any other. */
function provedPredecessors(
  token: IdentityToken,
  published: readonly PublishedPredecessor[],
): readonly IdentityToken[] {
  const proved: IdentityToken[] = [];
  let next = token;
  for (const { token: bytes, succession } of published) {
    const old = decodeIdentityToken(bytes);
    if (verifySuccession(decodeSuccession(succession), old, next) !== 'valid')
      throw forged('another has not handed its place over');
    proved.push(old);
    next = old;
  }
  return proved;
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return asObject(JSON.parse(text));
  } catch (error) {
    if (error instanceof FederationError) throw error;
    throw notAnObject();
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw notAnObject();
  return value as Readonly<Record<string, unknown>>;
}

function notAnObject(): FederationError {
  return new FederationError('malformed', 'the record is no JSON object');
}

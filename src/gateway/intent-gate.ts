import { type Clock, concatBytes, encodeBase64Url, epochSeconds, equalBytes } from '../base/index.ts';
import { addressOf, intentRequestOf } from '../intent/index.ts';
import { type IdentityOverlay, type IdentityRecord, OverlayError } from '../overlay/index.ts';
import { type Flow, headerValue, type NonceMint, type SipRequest } from '../sip/index.ts';
import {
  carriedIdentity,
  checkIntent,
  decodeIntentToken,
  fingerprintBytes,
  type IdentityToken,
  type IntentFault,
  type IntentToken,
  legDigest,
  sha256,
  TokenError,
  verifyIntentToken,
} from '../tokens/index.ts';
import { identityAt } from './identity-at.ts';
import type { PhoneNodes } from './phone-nodes.ts';
import type { ServedDomain } from './served-domain.ts';
import type { UsedTokens } from './used-tokens.ts';

/** How far a token's time of issue may lie from this clock, in seconds. */
const freshnessSeconds = 60;
const replayMarginMs = 30_000;
/** How long a used token id is remembered: longer than any token stays fresh, by its time or by a nonce of ours. */
export function replayWindowMs(nonceLifetimeMs: number): number {
  return Math.max(2 * freshnessSeconds * 1_000, nonceLifetimeMs) + replayMarginMs;
}

/** Why an intent token did not convince; `fault` is for the log, `reason` for the phone's display. */
export interface IntentRefusal {
  readonly kind: 'refused';
  readonly reason: string;
  readonly fault: string;
  /** Set when a fresh signature over the gateway's nonce would help. */
  readonly offerNonce: boolean;
  readonly claimed: string | undefined;
}

export interface IntentAccepted {
  readonly kind: 'accepted';
  readonly identity: IdentityRecord;
  readonly intent: IntentToken;
  /** The identity has expired since its dialog began, which it may end, and no more. */
  readonly late: boolean;
}

export interface IntentGateOptions {
  readonly overlay: IdentityOverlay;
  readonly domain: ServedDomain;
  /** Whether its identities may call those of other domains. */
  readonly toOthers: boolean;
  readonly nonces: NonceMint;
  readonly used: UsedTokens;
  readonly nodes: PhoneNodes;
  readonly clock: Clock;
}

/** Checks the `Intent-Token` of a request: signature, binding to the request, freshness, single use. */
export class IntentGate {
  readonly #options: IntentGateOptions;

  constructor(options: IntentGateOptions) {
    this.#options = options;
  }

  /** The value for an `Intent-Nonce` header field: valid on this flow only. */
  nonceFor(flow: Flow): string {
    const nonce = this.#options.nonces.mint(flow.id, this.#options.clock.now());
    return encodeBase64Url(Buffer.from(nonce, 'latin1'));
  }

  /** `headerField` is the token as it came; everything in it is under the sender's control until proved. */
  async check(request: SipRequest, flow: Flow, headerField: string): Promise<IntentAccepted | IntentRefusal> {
    try {
      return await this.#check(request, flow, decodeIntentToken(headerField));
    } catch (error) {
      if (error instanceof TokenError) return refused('Bad Intent Token', error.code);
      throw error;
    }
  }

  /** The device's own token on a request that another gateway has checked already: freshness and single use are its affair. */
  signedBy(identity: IdentityRecord, request: SipRequest, headerField: string): IntentToken | undefined {
    try {
      const intent = decodeIntentToken(headerField);
      const own = intent.signer === identity.fingerprint && verifyIntentToken(intent, identity.publicKey);
      return own && equalBytes(intent.legDigest, legDigest(intentRequestOf(request))) ? intent : undefined;
    } catch (error) {
      if (error instanceof TokenError) return undefined;
      throw error;
    }
  }

  async #check(
    request: SipRequest,
    flow: Flow,
    intent: IntentToken,
  ): Promise<IntentAccepted | IntentRefusal> {
    const { overlay, clock, used } = this.#options;
    if (intent.onBehalfOf !== undefined)
      return refused('Bad Intent Token', 'signed-on-behalf', intent.signer);
    // Throws when the token that came along is not the signer's own.
    const presented = carriedIdentity(intent);
    const known = await overlay.lookup(intent.signer);
    if (known !== undefined && known.fingerprint !== intent.signer)
      return refused('Identity Replaced', 'replaced', intent.signer);
    const publicKey = known?.publicKey ?? presented?.publicKey;
    const expires = Math.max(known?.expires ?? 0, presented?.expires ?? 0);
    if (publicKey === undefined) return refused('Unknown Identity', 'unknown-identity', intent.signer);
    if (!verifyIntentToken(intent, publicKey)) return refused('Bad Intent Token', 'signature', intent.signer);

    const now = epochSeconds(clock);
    const late = known !== undefined && now >= expires && endsDialog(request);
    const asOf = late ? expires - 1 : now;
    // No intent outlives its identity, so that a phone signs as of its last second, unless it does not know.
    const times =
      late && intent.issuedAt > asOf
        ? { now, signerExpires: intent.expires }
        : { now: asOf, signerExpires: expires };
    const fault = await this.#bindingFault(request, flow, intent, times);
    if (fault !== undefined) return fault;
    // The nonce was this gateway's own: no other would take it.
    const id = usedId(intent);
    const use = intent.nonce === undefined ? await used.use(id, clock.now()) : used.useHere(id, clock.now());
    if (use === 'again') return refused('Intent Token Used Before', 'replay', intent.signer);
    if (use === 'unsure') return refused('Stale Date', 'store-unavailable', intent.signer, true);

    // The signature proves that the sender holds the key: only now may its identity take a name.
    const identity =
      presented === undefined || (await this.#isTakenIn(presented, known))
        ? known
        : await this.#takeIn(presented, known, intent.succession);
    if (identity === undefined) return refused('Unknown Identity', 'unknown-identity', intent.signer);
    if ('kind' in identity) return identity;
    const nodeFault = this.#options.nodes.fault(intent, identity, asOf);
    if (nodeFault !== undefined) return refused('Unknown Node', nodeFault, intent.signer);
    return this.#usable(identity, asOf) ?? { kind: 'accepted', identity, intent, late };
  }

  async #bindingFault(
    request: SipRequest,
    flow: Flow,
    intent: IntentToken,
    times: SignerTimes,
  ): Promise<IntentRefusal | undefined> {
    const { nonces, clock, domain } = this.#options;
    const nonce = intent.nonce === undefined ? undefined : Buffer.from(intent.nonce).toString('latin1');
    const nonceState = nonce === undefined ? 'absent' : nonces.check(nonce, flow.id, clock.now());
    if (nonceState === 'foreign' || nonceState === 'malformed')
      return refused('Foreign Nonce', `nonce-${nonceState}`, intent.signer, true);
    const inDialog = request.to.tag !== undefined;
    const target = inDialog || request.method === 'REGISTER' ? request.to.uri : request.uri;
    // The other party of a dialog may be of any domain, such as a PBX's or a carrier's; the leg digest ties it to this one.
    const meant = domain.serves(intent.audience, flow.local.address);
    const leaves = inDialog || (this.#options.toOthers && request.method !== 'REGISTER');
    if (!meant && !(leaves && addressOf(target).endsWith(`@${intent.audience}`)))
      return refused('Bad Intent Token', 'audience', intent.signer);

    const named =
      'fingerprint' in intent.callee ? await identityAt(this.#options.overlay, target) : undefined;
    const fault = checkIntent(intent, {
      audience: intent.audience,
      request: intentRequestOf(request),
      calleeAddresses: { fingerprint: named?.fingerprint, address: addressOf(target) },
      ...times,
      // A fresh nonce of ours proves freshness, whatever the phone's clock says.
      ...(nonceState === 'fresh' ? { freshnessProved: true } : { freshnessSeconds }),
    });
    if (fault === undefined) return undefined;
    const timely = fault === 'stale' || fault === 'future' || fault === 'expired';
    return refused(faultReason(fault, timely), fault, intent.signer, timely);
  }

  /** Token and name stand as they are to be: nothing has to be written, which a store that is away would not take. */
  async #isTakenIn(token: IdentityToken, known: IdentityRecord | undefined): Promise<boolean> {
    if (known === undefined || !equalBytes(known.token, token.bytes)) return false;
    return (await this.#options.overlay.lookup(known.name))?.fingerprint === known.fingerprint;
  }

  /** Somebody new takes a free name, or the place of the identity that has named it. */
  async #takeIn(
    token: IdentityToken,
    known: IdentityRecord | undefined,
    succession: Uint8Array | undefined,
  ): Promise<IdentityRecord | IntentRefusal> {
    if (known !== undefined || succession === undefined) return this.#enrol(token);
    try {
      return await this.#options.overlay.succeed(succession, token);
    } catch (error) {
      // Whoever has never been here has no place to hand over.
      if (error instanceof OverlayError && error.code === 'unknown-identity') return this.#enrol(token);
      if ((error instanceof OverlayError && !error.code.startsWith('store-')) || error instanceof TokenError)
        return refused('Successor Refused', error.code, token.fingerprint);
      throw error;
    }
  }

  async #enrol(token: IdentityToken): Promise<IdentityRecord | IntentRefusal> {
    const result = await this.#options.overlay.enrol(token);
    if (result.kind === 'enrolled') return result.identity;
    return refused(enrolmentReasons.get(result.code) ?? 'Enrolment Refused', result.code, token.fingerprint);
  }

  #usable(identity: IdentityRecord, now: number): IntentRefusal | undefined {
    if (now >= identity.expires) return refused('Identity Expired', 'identity-expired', identity.fingerprint);
    if (now < identity.notBefore)
      return refused('Identity Not Valid Yet', 'identity-not-yet-valid', identity.fingerprint);
    if (identity.status === 'active') return undefined;
    return refused(unusableReasons[identity.status], `identity-${identity.status}`, identity.fingerprint);
  }
}

/** What the times in a token are held against; in seconds. */
interface SignerTimes {
  readonly now: number;
  readonly signerExpires: number;
}

/**
 * RFC 3261 §15: a dialog that was set up validly can be ended, also by an identity that has expired meanwhile. Its tags
 * and CSeq tie the token to this BYE.
 */
function endsDialog({ method, to }: SipRequest): boolean {
  return method === 'BYE' && to.tag !== undefined;
}

const unusableReasons = {
  pending: 'Identity Awaits Approval',
  revoked: 'Identity Revoked',
  replaced: 'Identity Replaced',
} as const;

/** What an `Intent-Token` header field refers to in records: the SHA-256 of the token, base64url. */
export function tokenReference(intentToken: Uint8Array): string {
  return encodeBase64Url(sha256(intentToken));
}

export function intentTokenOf(request: SipRequest): string | undefined {
  return headerValue(request, 'intent-token');
}

/** A signer may choose any cti; it is used up for this signer only. */
function usedId(intent: IntentToken): Uint8Array {
  return sha256(concatBytes(fingerprintBytes(intent.signer), intent.cti));
}

const enrolmentReasons: ReadonlyMap<string, string> = new Map([
  ['name-taken', 'Name Held By Another Key'],
  ['revoked', unusableReasons.revoked],
  ['issuer-unknown', 'Parent Identity Unknown'],
  ['issuer-invalid', 'Parent Identity Not Valid'],
]);

function faultReason(fault: IntentFault, timely: boolean): string {
  if (timely) return 'Stale Date';
  // Somebody on the way put other keys in: to be told apart from a token that is merely wrong.
  return fault === 'media' ? 'Media Keys Changed' : 'Bad Intent Token';
}

function refused(reason: string, fault: string, claimed?: string, offerNonce = false): IntentRefusal {
  return { kind: 'refused', reason, fault, claimed, offerNonce };
}

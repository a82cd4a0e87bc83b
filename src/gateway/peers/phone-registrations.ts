import type { Clock, Logger } from '../../base/index.ts';
import type { PeerConfig } from '../../config/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../../overlay/index.ts';
import {
  createRequest,
  type Flow,
  type HeaderField,
  headerField,
  removeHeaders,
  type SipRequest,
  type SipResponse,
} from '../../sip/index.ts';
import type { Authentication } from '../authentication.ts';
import type { AuthenticationResult } from '../authentication-result.ts';
import { identityAt } from '../identity-at.ts';
import { untrustedHeaders } from '../untrusted-headers.ts';
import { grantedSeconds } from './granted-time.ts';
import type { PeerMonitor } from './peer-monitor.ts';
import type { PeerRecords } from './peer-records.ts';
import type { OwnEnd, PeerRequests } from './peer-requests.ts';
import { contactsOf, isBelievable, type Passage, passageOf, type RegisterFacts } from './register-passage.ts';
import { RelayedNonces } from './relayed-nonces.ts';
import type { UpstreamCounts } from './upstream-registrations.ts';

export interface PhoneRegistrationsOptions {
  readonly peer: PeerConfig;
  readonly requests: PeerRequests;
  readonly monitor: PeerMonitor;
  readonly records: PeerRecords;
  readonly authentication: Pick<Authentication, 'byKey'>;
  readonly overlay: IdentityOverlay;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** An answer of the PBX, or in its stead, that ends the matter. */
export interface RelayedRefusal {
  readonly kind: 'relayed';
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly HeaderField[];
  readonly identity: IdentityRecord | undefined;
}

/** A registration that the PBX granted is confirmed for this part of its time: the rest is for the next refresh. */
const confirmedPart = 0.8;
const retryAfterSeconds = 5;

/** What concerns only the way between the phone and this gateway, or what this gateway says anew. */
const ownHeaders = new Set([
  ...['via', 'max-forwards', 'from', 'to', 'call-id', 'cseq', 'route', 'record-route', 'path'],
  ...['contact', 'expires', 'supported', 'require', 'intent-token', 'content-length'],
  ...untrustedHeaders.filter((name) => name !== 'proxy-authorization'),
]);

/**
 * Lets phones register at a PBX that challenges them itself: their REGISTERs go on to it with the identity as Contact,
 * its challenges come back to them, and whom it has accepted is proved here too.
 */
export class PhoneRegistrations {
  readonly #options: PhoneRegistrationsOptions;
  /** Until when the PBX keeps an identity without being asked again. */
  readonly #confirmedUntilMs = new Map<string, number>();
  readonly #nonces = new RelayedNonces();

  constructor(options: PhoneRegistrationsOptions) {
    this.#options = options;
  }

  counts(): UpstreamCounts {
    const now = this.#options.clock.now();
    let registered = 0;
    for (const untilMs of this.#confirmedUntilMs.values()) if (untilMs > now) registered++;
    return { registered, pending: this.#confirmedUntilMs.size - registered, refused: 0 };
  }

  /** The PBX may have forgotten everybody: each phone's next refresh tells it again. */
  peerCameBack(): void {
    for (const fingerprint of this.#confirmedUntilMs.keys()) this.#confirmedUntilMs.set(fingerprint, 0);
  }

  /** Who sends this REGISTER, as its own proof or the PBX says. */
  async identify(request: SipRequest, flow: Flow): Promise<AuthenticationResult | RelayedRefusal> {
    const { authentication, overlay, monitor, peer, clock } = this.#options;
    const key = await authentication.byKey(request, flow);
    if (key !== undefined && key.kind !== 'proved') return key;
    const identity = await identityAt(overlay, request.to.uri);
    if (identity?.status !== 'active') return key ?? refusal(404, 'No Such Identity', identity);
    if (key?.principal.kind === 'identity' && key.principal.identity.fingerprint !== identity.fingerprint)
      return key;

    const bindings = await overlay.bindings(identity.fingerprint);
    const { wants, uris, allStay } = contactsOf(request);
    const own = bindings.filter(({ contactUri, flowId }) => uris.includes(contactUri) && flowId === flow.id);
    const now = clock.now();
    const facts: RegisterFacts = {
      wants,
      provedHere: key !== undefined,
      refreshes: allStay && own.length > 0 && own.length === uris.length,
      othersStay: uris.length > 0 && bindings.some(({ contactUri }) => !uris.includes(contactUri)),
      confirmed: (this.#confirmedUntilMs.get(identity.fingerprint) ?? 0) > now,
      pbxDown: monitor.isDown(peer),
    };
    const passage = passageOf(facts);
    const asProved: AuthenticationResult = key ?? {
      kind: 'proved',
      principal: { kind: 'identity', identity, assurance: 1, intent: undefined },
    };
    if (passage === 'absorb') return asProved;
    if (passage === 'unavailable') return unavailable(identity);
    return (await this.#ask(request, identity, passage, facts)) ?? asProved;
  }

  /** Undefined: the PBX has granted it, or says nothing while the phone can be believed without it. */
  async #ask(
    request: SipRequest,
    identity: IdentityRecord,
    passage: Exclude<Passage, 'absorb' | 'unavailable'>,
    facts: RegisterFacts,
  ): Promise<AuthenticationResult | RelayedRefusal | undefined> {
    const { requests, monitor, peer, records, clock, logger } = this.#options;
    const { fingerprint } = identity;
    const expires = passage === 'ask' ? undefined : passage === 'end' ? 0 : peer.registrations.expires;
    // What a phone answered to somebody else's challenge proves nothing: the PBX shall ask anew.
    const answers = facts.provedHere || this.#nonces.areAnsweredBy(request, fingerprint);
    const shown = answers ? request : withoutAnswers(request);
    const answer = await requests.toPeer(
      peer,
      (own) => passedOn(shown, own, fingerprint, expires),
      peer.probe.timeoutMs,
    );
    if (answer.kind === 'silent' || answer.response.status >= 500) {
      monitor.suspect(peer);
      return isBelievable(facts) ? undefined : unavailable(identity);
    }
    const { response } = answer;
    const { status, reason } = response;
    if (status < 300 && !answers) {
      logger.error({ peer: peer.name }, 'a PBX that asks no phone for a password cannot prove one');
      return refusal(403, 'Not Proved', identity);
    }
    if (status < 300) {
      if (expires === undefined) return undefined;
      const known = this.#confirmedUntilMs.has(fingerprint);
      const event = expires === 0 ? 'ended' : known ? 'refreshed' : 'registered';
      if (expires === 0) this.#confirmedUntilMs.delete(fingerprint);
      else {
        const granted = grantedSeconds(response, fingerprint, expires);
        this.#confirmedUntilMs.set(fingerprint, clock.now() + granted * 1000 * confirmedPart);
      }
      records.registration(peer, event, identity.name, fingerprint);
      return undefined;
    }
    if (status === 401 || status === 407) {
      this.#nonces.note(response, fingerprint);
      return { kind: 'challenge', status, headers: challengesOf(response) };
    }
    this.#confirmedUntilMs.delete(fingerprint);
    records.registration(peer, 'failed', identity.name, fingerprint, { fault: `${status} ${reason}` });
    return refusal(status < 400 ? 403 : status, reason, identity);
  }
}

/** The phone's REGISTER with the identity for its Contact and this gateway in its Path (RFC 3327). */
function passedOn(
  request: SipRequest,
  { via, hostPort, transportParam }: OwnEnd,
  fingerprint: string,
  expires: number | undefined,
): SipRequest {
  const { method, uri, callId, cseq, from, to } = request;
  return createRequest({
    method,
    uri,
    via,
    from,
    to,
    callId,
    cseq: cseq.number,
    maxForwards: Math.max(0, (request.maxForwards ?? 70) - 1),
    headers: [
      ...request.headers.filter(({ name }) => !ownHeaders.has(name)),
      ...(expires === undefined
        ? []
        : [
            headerField('Contact', `<sip:${fingerprint}@${hostPort}${transportParam}>;expires=${expires}`),
            headerField('Expires', String(expires)),
            headerField('Path', `<sip:${hostPort}${transportParam};lr>`),
            headerField('Supported', 'path'),
          ]),
    ],
  });
}

function withoutAnswers(request: SipRequest): SipRequest {
  return removeHeaders(removeHeaders(request, 'authorization'), 'proxy-authorization');
}

function challengesOf(response: SipResponse): HeaderField[] {
  return response.headers.filter(({ name }) => name === 'www-authenticate' || name === 'proxy-authenticate');
}

function unavailable(identity: IdentityRecord): RelayedRefusal {
  const headers = [headerField('Retry-After', String(retryAfterSeconds))];
  return { kind: 'relayed', status: 503, reason: 'PBX Unavailable', headers, identity };
}

function refusal(status: number, reason: string, identity: IdentityRecord | undefined): RelayedRefusal {
  return { kind: 'relayed', status, reason, headers: [], identity };
}

import { type Clock, type Random, randomId, TransientMap } from '../base/index.ts';
import { addressOf, dialledUser } from '../intent/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../overlay/index.ts';
import type { Durability, RecordId } from '../provenance/index.ts';
import {
  appendHeaders,
  createResponse,
  type Flow,
  type HeaderField,
  headerField,
  type RegisterOutcome,
  type Registrar,
  type RegistrationChange,
  type ServerTransaction,
  type SipRequest,
  type SipResponse,
  statelessTag,
} from '../sip/index.ts';
import type { Audit } from './audit.ts';
import type { Authentication } from './authentication.ts';
import type { Authorisation } from './authorisation.ts';
import type { PhoneRegistrations } from './peers/phone-registrations.ts';
import type { Assurance, Principal } from './principal.ts';
import { RegistrationRecords, type RegistrationRefusal } from './registration-records.ts';
import { foreignUriRefusal, type ServedDomain } from './served-domain.ts';

/** What a phone is told when the log cannot take records now, in seconds. */
const retryAfterSeconds = 5;
const toTagBits = 64;

export interface RegistrationOptions {
  readonly authentication: Authentication;
  readonly authorisation: Authorisation;
  /** Set where a PBX proves the phones. */
  readonly throughPbx: PhoneRegistrations | undefined;
  readonly registrar: Registrar;
  readonly overlay: IdentityOverlay;
  readonly domain: ServedDomain;
  readonly audit: Audit;
  /** How often a refresh that changes nothing is recorded; 0: each time. */
  readonly refreshIntervalMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly onAccepted: (change: RegistrationChange['kind']) => void;
  /** Keeps a phone's word that its home is here; does not fail. Undefined where nothing is published. */
  readonly publish: ((request: SipRequest, fingerprint: string) => Promise<void>) | undefined;
  /** Told once a phone has its 200. */
  readonly onRegistered: (request: SipRequest, flow: Flow, fingerprint: string) => void;
  /** Told once the changes are stored. */
  readonly onChanged: (fingerprint: string, changes: readonly RegistrationChange[]) => void;
}

/** Answers REGISTER: proves who asks, binds the identity to the flow, records it, and only then says 200. */
export class Registration {
  readonly #options: RegistrationOptions;
  readonly #records: RegistrationRecords;
  /** Of those who are registering at this moment. */
  readonly #assurances = new TransientMap<Assurance>();

  constructor(options: RegistrationOptions) {
    this.#options = options;
    const { audit, overlay, refreshIntervalMs } = options;
    this.#records = new RegistrationRecords({ audit, node: overlay.node, refreshIntervalMs });
  }

  /** The records of the newest registrations of these identities. */
  recordsOf(...fingerprints: readonly (string | undefined)[]): RecordId[] {
    return fingerprints.flatMap((fingerprint) => {
      const record = fingerprint === undefined ? undefined : this.#records.newestOf(fingerprint);
      return record === undefined ? [] : [record];
    });
  }

  /** How sure the gateway is of an identity that is registering now. */
  assuranceOf(fingerprint: string): Assurance {
    return this.#assurances.get(fingerprint) ?? 0;
  }

  /** The challenge for a REGISTER that brings no proof; undefined for any other, which `answer` answers. */
  challenge(request: SipRequest, flow: Flow): SipResponse | undefined {
    const { authentication, throughPbx, domain, audit, registrar } = this.#options;
    if (throughPbx !== undefined || !audit.healthy) return undefined;
    const challenge = authentication.challengeOf(request, flow);
    if (challenge === undefined || domain.ownUri(request.uri, flow.local.address) === undefined)
      return undefined;
    if (registrar.screen(request) !== undefined) return undefined;
    const { status, headers } = challenge;
    return createResponse(request, status, undefined, { toTag: statelessTag(request), headers });
  }

  async answer(transaction: ServerTransaction): Promise<void> {
    const { request, flow } = transaction;
    const { authentication, throughPbx, domain, audit, registrar } = this.#options;
    if (domain.ownUri(request.uri, flow.local.address) === undefined) {
      const { status, reason } = foreignUriRefusal(request.uri);
      return this.#decline(transaction, status, reason);
    }
    if (!audit.healthy) return this.#unavailable(transaction);

    const screened = registrar.screen(request);
    if (screened !== undefined) return transaction.decline(screened.response);

    const result = await (throughPbx ?? authentication).identify(request, flow);
    if (result.kind === 'relayed') {
      const { status, reason, headers, identity } = result;
      await this.#recordRefusal(request, flow, { reason, fault: `pbx-${status}`, claimed: identity?.name });
      return this.#decline(transaction, status, reason, headers);
    }
    if (result.kind === 'challenge')
      return this.#decline(transaction, result.status, undefined, result.headers);
    if (result.kind === 'refused') {
      if (result.record) await this.#recordRefusal(request, flow, result);
      return this.#decline(transaction, result.status, result.reason, result.headers);
    }
    const { principal, info = [] } = result;
    if (principal.kind === 'peer') return this.#reject(transaction, 403, 'Peers Do Not Register');
    const { identity } = principal;
    if (!this.#owns(identity, request, flow)) {
      const reason = 'Not The Address Of This Identity';
      await this.#recordRefusal(
        request,
        flow,
        { reason, fault: 'foreign-address', claimed: identity.name },
        identity,
      );
      return this.#reject(transaction, 403, reason);
    }
    const target = addressOf(request.to.uri);
    const forbidden = await this.#options.authorisation.refusal({ principal, action: 'register', target });
    if (forbidden !== undefined) {
      const refusal = { reason: forbidden, fault: 'not-authorised', claimed: identity.name };
      await this.#recordRefusal(request, flow, refusal, identity);
      return this.#reject(transaction, 403, forbidden);
    }
    await this.#bind(transaction, principal, info);
  }

  async #bind(
    transaction: ServerTransaction,
    principal: Principal & { kind: 'identity' },
    info: readonly HeaderField[],
  ): Promise<void> {
    const { request, flow } = transaction;
    const { authentication, onAccepted, onRegistered, onChanged, publish } = this.#options;
    const { identity } = principal;
    const { fingerprint } = identity;
    const { response, changes } = await this.#changed(request, flow, fingerprint, principal.assurance);
    if (response.status !== 200) return transaction.respond(response);
    const binds = changes.some(({ kind }) => kind !== 'removed');
    if (binds) authentication.remember(flow, fingerprint, principal.assurance);
    const written = changes.map((change) => this.#records.changed(request, flow, principal, change));
    const published = binds ? publish?.(request, fingerprint) : undefined;
    for (const record of written) if (record !== undefined) await settled(record.durability);
    // Who comes may call another operator at once, which then asks for it; who stays need not wait.
    if (published !== undefined && changes.some(({ kind }) => kind === 'added')) await published;
    for (const { kind } of changes) onAccepted(kind);
    transaction.respond(appendHeaders(response, info));
    if (binds) onRegistered(request, flow, fingerprint);
    if (changes.length > 0) onChanged(fingerprint, changes);
  }

  /** What the registrar makes of it, which asks meanwhile how sure the gateway is. */
  async #changed(
    request: SipRequest,
    flow: Flow,
    fingerprint: string,
    assurance: Assurance,
  ): Promise<RegisterOutcome> {
    const { registrar, clock } = this.#options;
    this.#assurances.set(fingerprint, assurance);
    try {
      return await registrar.handle(request, flow, fingerprint, { nowMs: clock.now() });
    } finally {
      this.#assurances.delete(fingerprint);
    }
  }

  #unavailable(transaction: ServerTransaction): void {
    this.#decline(transaction, 503, 'Audit Log Unavailable', [
      headerField('Retry-After', String(retryAfterSeconds)),
    ]);
  }

  /** RFC 3261 §8.2.6.2: with a To tag. */
  #reject(
    transaction: ServerTransaction,
    status: number,
    reason?: string,
    headers: readonly HeaderField[] = [],
  ): void {
    const toTag = randomId(this.#options.random, toTagBits);
    transaction.respond(createResponse(transaction.request, status, reason, { toTag, headers }));
  }

  /** To somebody who has proved nothing. */
  #decline(
    transaction: ServerTransaction,
    status: number,
    reason?: string,
    headers: readonly HeaderField[] = [],
  ): void {
    const { request } = transaction;
    const toTag = statelessTag(request);
    transaction.decline(createResponse(request, status, reason, { toTag, headers }));
  }

  /** The address-of-record must be one of the identity's own names in this domain. */
  #owns(identity: IdentityRecord, request: SipRequest, flow: Flow): boolean {
    const { domain, overlay } = this.#options;
    const uri = domain.ownUri(request.to.uri, flow.local.address);
    return uri?.user !== undefined && overlay.isAddressOf(identity, dialledUser(uri.user));
  }

  async #recordRefusal(
    request: SipRequest,
    flow: Flow,
    refusal: RegistrationRefusal,
    identity?: IdentityRecord,
  ): Promise<void> {
    await settled(this.#records.refused(request, flow, refusal, identity).durability);
  }
}

/** When a record is durable or has failed to become so; a registration stands in either case. */
function settled(durability: Durability): Promise<unknown> {
  return new Promise((resolve) => durability.whenSettled(resolve));
}

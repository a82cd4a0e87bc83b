import type { Clock } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import { liveBindings, noBindings } from './binding.ts';
import { type EndpointDocument, term } from './documents.ts';
import { decodeEndpointRecord, type EndpointRecord, verifyEndpointRecord } from './endpoint-record.ts';
import { OverlayError } from './errors.ts';
import { chain, type Eventual } from './eventual.ts';
import type { IdentityDirectory } from './identity-directory.ts';
import type { IdentityRecord } from './identity-record.ts';
import type { OverlayStore } from './store.ts';

export interface EndpointLimits {
  /** A record that claims to be good for longer is refused: it would outlive its truth. */
  readonly maxLifetimeSeconds: number;
  /** How far a device's clock may be ahead of ours. */
  readonly maxClockAheadSeconds: number;
}

export const defaultEndpointLimits: EndpointLimits = {
  maxLifetimeSeconds: 30 * 86_400,
  maxClockAheadSeconds: 60,
};

/** Where something can be reached, by its own signed word or by the flow on which it has registered. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** What the device says; a flow does not tell. */
  readonly behindNat: boolean | undefined;
  readonly capabilities: readonly string[];
  readonly expiresAtMs: number;
  readonly source: 'signed-record' | 'sip-binding';
}

/** Signed endpoint records, each identity's newest. */
export class EndpointBook {
  readonly #store: OverlayStore;
  readonly #directory: IdentityDirectory;
  readonly #clock: Clock;
  readonly #limits: EndpointLimits;

  constructor(store: OverlayStore, directory: IdentityDirectory, clock: Clock, limits: EndpointLimits) {
    this.#store = store;
    this.#directory = directory;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Stores a newer record; throws OverlayError for any other. Returns once it is stored. */
  async publish(bytes: Uint8Array): Promise<{ identity: IdentityRecord; record: EndpointRecord }> {
    const record = decodeEndpointRecord(bytes);
    const identity = await this.#directory.byFingerprint(record.fingerprint);
    if (!identity) throw new OverlayError('unknown-identity', 'the endpoint record names nobody we know');
    if (!verifyEndpointRecord(record, identity.publicKey))
      throw new OverlayError('record-signature', 'the endpoint record is not signed by its identity');
    if (identity.status === 'revoked') throw new OverlayError('revoked', 'this key has been revoked');
    this.#checkTimes(record, identity);
    await this.#store.update('endpoint', record.fingerprint, (stored) => {
      if (stored && record.sequence <= stored.sequence)
        throw new OverlayError(
          'record-replayed',
          `sequence ${record.sequence} is not above ${stored.sequence}`,
        );
      return endpointDocument(record);
    });
    return { identity, record };
  }

  /** The identity's newest record, expired or not: the next one needs a higher sequence number. */
  newest(fingerprint: Fingerprint): Eventual<EndpointDocument | undefined> {
    return this.#store.get('endpoint', fingerprint);
  }

  /** The newest live endpoint of an identity, at once when cached or embedded. */
  live(fingerprint: Fingerprint): Eventual<Endpoint | undefined> {
    return chain(this.#store.get('endpoint', fingerprint), (signed) =>
      chain(this.#store.get('bindings', fingerprint), (bound = noBindings) => {
        const nowMs = this.#clock.now();
        const record = signed && signed.expiresAtMs > nowMs ? signed : undefined;
        const binding = liveBindings(bound, nowMs)[0];
        if (binding && (!record || binding.refreshedAtMs > record.issuedAtMs))
          return {
            ...binding.observed,
            behindNat: undefined,
            capabilities: binding.capabilities,
            expiresAtMs: binding.expiresAtMs,
            source: 'sip-binding',
          };
        return record && endpointOf(record);
      }),
    );
  }

  /** Exactly the identities that are live and say that they can do it. */
  async holders(capability: string): Promise<readonly Fingerprint[]> {
    const nowMs = this.#clock.now();
    const wanted = term.capability(capability);
    const records = await this.#store.find('endpoint', wanted);
    const bound = await this.#store.find('bindings', wanted);
    const holders = new Set<Fingerprint>();
    for (const [fingerprint, { expiresAtMs }] of records) if (expiresAtMs > nowMs) holders.add(fingerprint);
    for (const [fingerprint, document] of bound)
      if (liveBindings(document, nowMs).some(({ capabilities }) => capabilities.includes(capability)))
        holders.add(fingerprint);
    return [...holders];
  }

  /** Asked of a record still to be signed, too: before it costs a name. Throws OverlayError. */
  checkLifetime({ issuedAt, expires }: Pick<EndpointRecord, 'issuedAt' | 'expires'>): void {
    const { maxLifetimeSeconds } = this.#limits;
    if (expires - issuedAt > maxLifetimeSeconds)
      throw new OverlayError(
        'record-lifetime',
        `an endpoint record is good for ${maxLifetimeSeconds} s at most`,
      );
  }

  #checkTimes(record: EndpointRecord, identity: IdentityRecord): void {
    const now = Math.floor(this.#clock.now() / 1000);
    const { maxClockAheadSeconds } = this.#limits;
    if (record.expires <= now) throw new OverlayError('record-expired', 'the endpoint record has expired');
    if (record.issuedAt > now + maxClockAheadSeconds)
      throw new OverlayError(
        'record-from-future',
        `the device's clock is ${record.issuedAt - now} s ahead of this node's`,
      );
    this.checkLifetime(record);
    if (identity.expires <= now) throw new OverlayError('token-expired', 'the identity token has expired');
  }
}

function endpointDocument(record: EndpointRecord): EndpointDocument {
  const { sequence, address, port, behindNat, capabilities, bytes } = record;
  return {
    sequence,
    address,
    port,
    behindNat,
    capabilities,
    issuedAtMs: record.issuedAt * 1000,
    expiresAtMs: record.expires * 1000,
    record: bytes,
  };
}

function endpointOf({ address, port, behindNat, capabilities, expiresAtMs }: EndpointDocument): Endpoint {
  return { address, port, behindNat, capabilities, expiresAtMs, source: 'signed-record' };
}

/** `ip:port`, with IPv6 in brackets (RFC 3986 §3.2.2). */
export function endpointText({ address, port }: Pick<Endpoint, 'address' | 'port'>): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

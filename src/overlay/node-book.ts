import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Clock, epochSeconds, equalBytes } from '../base/index.ts';
import {
  decodeIdentityToken,
  type Fingerprint,
  type IdentityToken,
  type SigningKey,
  TokenError,
} from '../tokens/index.ts';
import type { NodeDocument } from './documents.ts';
import { decodeEndpointRecord, signEndpointRecord, verifyEndpointRecord } from './endpoint-record.ts';
import { OverlayError } from './errors.ts';
import { chain, type Eventual } from './eventual.ts';
import type { OverlayStore } from './store.ts';

/** An announcement is repeated long before it ends, so that a store may be away for most of an hour. */
export const nodeLifetimeSeconds = 3_600;

const capabilityPrefix = 'sip-node.';

export interface NodeAnnouncement {
  readonly token: IdentityToken;
  readonly key: SigningKey;
  readonly transport: 'tcp' | 'tls';
  /** An IP address. */
  readonly address: string;
  readonly port: number;
}

/** Another gateway that shares the store: who it is and where it takes requests. */
export interface NodeRecord {
  readonly fingerprint: Fingerprint;
  readonly publicKey: Uint8Array;
  readonly transport: 'tcp' | 'tls';
  readonly address: string;
  readonly port: number;
}

interface Checked {
  readonly document: NodeDocument;
  readonly node: NodeRecord | undefined;
  readonly expires: number;
}

/** The gateways of one store: each signs where it is, and where they have a common secret proves to know it. */
export class NodeBook {
  readonly #store: OverlayStore;
  readonly #clock: Clock;
  readonly #secret: string | undefined;
  /** What was checked already, by who it is. */
  readonly #checked = new Map<Fingerprint, Checked>();

  constructor(store: OverlayStore, clock: Clock, secret: string | undefined) {
    this.#store = store;
    this.#clock = clock;
    this.#secret = secret;
  }

  async announce({ token, key, transport, address, port }: NodeAnnouncement): Promise<void> {
    const now = epochSeconds(this.#clock);
    const nowMs = BigInt(this.#clock.now());
    await this.#store.update('node', token.fingerprint, (stored) => {
      const sequence = stored !== undefined && stored.sequence >= nowMs ? stored.sequence + 1n : nowMs;
      const record = signEndpointRecord(key, {
        fingerprint: token.fingerprint,
        sequence,
        issuedAt: now,
        expires: now + nodeLifetimeSeconds,
        address,
        port,
        behindNat: false,
        capabilities: [capabilityPrefix + transport],
      });
      const mac = this.#mac(token.bytes, record);
      return { token: token.bytes, record, sequence, ...(mac && { mac }) };
    });
  }

  find(fingerprint: Fingerprint): Eventual<NodeRecord | undefined> {
    return chain(this.#store.get('node', fingerprint), (document) => {
      if (document === undefined) return undefined;
      const known = this.#checked.get(fingerprint);
      const checked =
        known !== undefined && equalBytes(known.document.record, document.record)
          ? known
          : this.#check(fingerprint, document, known);
      if (checked === undefined) return undefined;
      this.#checked.set(fingerprint, checked);
      return checked.expires > epochSeconds(this.#clock) ? checked.node : undefined;
    });
  }

  /** Undefined for an older announcement than one that was seen. */
  #check(fingerprint: Fingerprint, document: NodeDocument, known: Checked | undefined): Checked | undefined {
    const mac = this.#mac(document.token, document.record);
    const nobody = { document, node: undefined, expires: 0 };
    if (mac !== undefined && !(document.mac?.length === mac.length && timingSafeEqual(document.mac, mac)))
      return nobody;
    try {
      const token = decodeIdentityToken(document.token);
      const record = decodeEndpointRecord(document.record);
      if (known?.node !== undefined && record.sequence < known.document.sequence) return known;
      const named = token.fingerprint === fingerprint && record.fingerprint === fingerprint;
      if (!named || !verifyEndpointRecord(record, token.publicKey)) return nobody;
      const transport = record.capabilities[0] === `${capabilityPrefix}tls` ? 'tls' : 'tcp';
      const { address, port, expires } = record;
      const node = { fingerprint, publicKey: token.publicKey, transport, address, port } as const;
      return { document: { ...document, sequence: record.sequence }, node, expires };
    } catch (error) {
      if (error instanceof TokenError || error instanceof OverlayError) return nobody;
      throw error;
    }
  }

  #mac(token: Uint8Array, record: Uint8Array): Buffer | undefined {
    if (this.#secret === undefined) return undefined;
    return createHmac('sha256', this.#secret)
      .update(`tibet-node-v1 ${token.length} `)
      .update(token)
      .update(record)
      .digest();
  }
}

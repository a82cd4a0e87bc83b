import type { Logger } from '../../base/index.ts';
import type { PeerConfig } from '../../config/index.ts';
import { ProvenanceError, type RecordId } from '../../provenance/index.ts';
import type { Audit } from '../audit.ts';
import { circumstances } from '../context.ts';

export interface PeerRecordsOptions {
  readonly audit: Audit;
  readonly logger: Logger;
  /** The newest registration of an identity here, on which one at a peer rests. */
  readonly parentsOf: (fingerprint: string) => readonly RecordId[];
}

type Facts = Readonly<Record<string, string | number>>;

/** The TIBET records of what happens between this gateway and its peers. Nothing waits for them. */
export class PeerRecords {
  readonly #options: PeerRecordsOptions;

  constructor(options: PeerRecordsOptions) {
    this.#options = options;
  }

  /** What a peer as a whole does: it came back, it is gone, it has lost its registrations. */
  peer(peer: PeerConfig, event: 'up' | 'down' | 'registrations-lost', facts: Facts = {}): void {
    this.#append(peer, { event: `peer.${event}`, ...facts }, reasons[event], undefined);
  }

  /** A registration at a peer, of an identity or of the gateway's own account. */
  registration(
    peer: PeerConfig,
    event: 'registered' | 'refreshed' | 'failed' | 'ended',
    account: string,
    fingerprint: string | undefined,
    facts: Facts = {},
  ): void {
    this.#append(peer, { event: `upstream.${event}`, account, ...facts }, reasons[event], fingerprint);
  }

  #append(
    { name, role }: PeerConfig,
    facts: Facts & { readonly event: string },
    reason: string,
    fingerprint: string | undefined,
  ): void {
    const { audit, logger, parentsOf } = this.#options;
    try {
      audit.append({
        erin: { ...facts, peer: name, role, ...(fingerprint === undefined ? {} : { fingerprint }) },
        eraan: { parents: fingerprint === undefined ? [] : parentsOf(fingerprint) },
        eromheen: circumstances(),
        erachter: reason,
        parties: fingerprint === undefined ? [] : [{ fingerprint, role: 'subject' }],
        unhurried: true,
      });
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
      logger.error({ peer: name, event: facts.event, code: error.code }, 'an event of a peer left no record');
    }
  }
}

const reasons = {
  up: 'send calls to a peer that answers',
  down: 'refuse calls at once while a peer does not answer',
  'registrations-lost': 'register again at a peer that has forgotten its registrations',
  registered: 'let the peer call an identity here',
  refreshed: 'let the peer go on calling an identity here',
  failed: 'try again to let the peer call an identity here',
  ended: 'let the peer know that nobody is here to be called',
} as const;

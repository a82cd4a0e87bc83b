import type { Metrics } from '../admin/index.ts';
import type { Clock, Logger, Random } from '../base/index.ts';
import type { Config, ListenAddress } from '../config/index.ts';
import type { IdentityOverlay } from '../overlay/index.ts';
import type { TransactionLayer, TransportLayer } from '../sip/index.ts';
import type { AdmissionHooks } from '../tokens/index.ts';
import type { Audit } from './audit.ts';
import type { CallRecords } from './call-records.ts';
import type { CallTable } from './call-table.ts';
import type { ClosingStack } from './closing-stack.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Federation } from './federation/compose-federation.ts';
import type { NodeHops } from './hops/node-hops.ts';
import type { Anchoring } from './media/compose-media.ts';
import type { NodeKeys } from './node-keys.ts';
import type { OwnAddresses } from './own-addresses.ts';
import type { Peers } from './peers/peers.ts';
import type { RegEvent } from './reg-event.ts';
import type { RevocationWatch } from './revocation-watch.ts';

/** What every part is built with. */
export interface Surroundings {
  readonly config: Config;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly closing: ClosingStack;
  /** What a program that starts the gateway decides itself. */
  readonly hooks?: Partial<AdmissionHooks>;
}

/** The parts of a gateway that others look into while it runs. */
export interface Parts {
  readonly keys: NodeKeys;
  readonly audit: Audit;
  readonly overlay: IdentityOverlay;
  readonly transport: TransportLayer;
  readonly transactions: TransactionLayer<readonly ListenAddress[]>;
  readonly addresses: OwnAddresses;
  readonly records: CallRecords;
  readonly calls: CallTable;
  readonly metrics: Metrics;
  readonly regEvent: RegEvent;
  readonly hops: NodeHops;
  /** Undefined when this gateway keeps to itself. */
  readonly federation: Federation | undefined;
  readonly peers: Peers;
  readonly dispatcher: Dispatcher;
  readonly revocations: RevocationWatch;
  /** Where media passes through this gateway or a media server of its own. */
  readonly anchoring: Anchoring | undefined;
}

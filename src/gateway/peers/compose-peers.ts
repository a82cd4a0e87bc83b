import type { IdentityOverlay } from '../../overlay/index.ts';
import type { RecordId } from '../../provenance/index.ts';
import type { Locator, TransactionLayer, TransportLayer } from '../../sip/index.ts';
import type { Audit } from '../audit.ts';
import type { Authentication } from '../authentication.ts';
import type { OwnAddresses } from '../own-addresses.ts';
import type { Surroundings } from '../parts.ts';
import { PeerCredentials } from './peer-credentials.ts';
import type { PeerMonitor } from './peer-monitor.ts';
import { PeerRecords } from './peer-records.ts';
import { PeerRequests } from './peer-requests.ts';
import type { PeerTable } from './peer-table.ts';
import { Peers } from './peers.ts';

/** What the rest of the gateway needs of its peers. */
export interface Peering {
  readonly peers: Peers;
  readonly requests: PeerRequests;
  readonly monitor: PeerMonitor;
  readonly credentials: PeerCredentials;
  /** To be called when the bindings of an identity have changed. */
  readonly phonesChanged: (fingerprint: string) => void;
}

export function composePeers(
  { config, clock, random, logger }: Surroundings,
  parts: {
    readonly table: PeerTable;
    readonly transport: TransportLayer;
    readonly locator: Locator;
    readonly transactions: Pick<TransactionLayer<unknown>, 'send'>;
    readonly addresses: OwnAddresses;
    readonly overlay: IdentityOverlay;
    readonly audit: Audit;
    readonly authentication: Authentication;
    readonly recordsOf: (fingerprint: string) => readonly RecordId[];
  },
): Peering {
  const { table, transport, locator, transactions, addresses, overlay, audit, authentication, recordsOf } =
    parts;
  const requests = new PeerRequests({
    transport,
    locator,
    send: (request, flow, handler) => transactions.send(request, flow, handler),
    addressFor: (flow) => addresses.towards(flow),
    clock,
    random,
    logger,
  });
  const credentials = new PeerCredentials(random);
  const records = new PeerRecords({ audit, logger, parentsOf: recordsOf });
  const { domain } = config;
  const peers = new Peers({
    table,
    requests,
    credentials,
    records,
    locator,
    overlay,
    authentication,
    domain,
    clock,
    random,
    logger,
  });
  const phonesChanged = (fingerprint: string): void => {
    peers
      .phonesChanged(fingerprint)
      .catch((error: unknown) => logger.error({ fingerprint, error }, 'a PBX was not told of a phone'));
  };
  return { peers, requests, monitor: peers.monitor, credentials, phonesChanged };
}

import type { ListenAddress } from '../config/index.ts';
import {
  Admission,
  DnsNames,
  defaultTransactionLimits,
  defaultTransportLimits,
  Locator,
  ReturnRouting,
  TransactionLayer,
  TransportLayer,
} from '../sip/index.ts';
import type { Surroundings } from './parts.ts';
import type { PeerTable } from './peers/peer-table.ts';

export function createTransport({ config, clock, logger, random }: Surroundings): TransportLayer {
  const { listen, limits, tls, websocket, proxyProtocol } = config;
  return new TransportLayer({
    listen,
    limits: { ...defaultTransportLimits, ...limits.transport, message: limits.message },
    clock,
    logger,
    random,
    proxyProtocolFrom: proxyProtocol.from,
    ...(websocket.origins.length === 0 ? {} : { wsOrigins: websocket.origins }),
    ...(tls === undefined ? {} : { tls }),
  });
}

export interface Transactions {
  readonly locator: Locator;
  readonly admission: Admission;
  readonly transactions: TransactionLayer<readonly ListenAddress[]>;
}

/** The transaction layer with what it asks: who is let in, and where names lead. */
export function composeTransactions(
  { config, clock, random, logger, closing }: Surroundings,
  transport: TransportLayer,
  peers: PeerTable,
): Transactions {
  const locator = new Locator({
    names: new DnsNames(config.dns),
    clock,
    random,
    limits: config.limits.locating,
    // UDP goes out from a listener's socket, connections from one of their own.
    transports: config.listen.some(({ transport }) => transport === 'udp')
      ? ['udp', 'tcp', 'tls']
      : ['tcp', 'tls'],
  });
  closing.opened(() => locator.close());
  const admission = new Admission(clock, { ...config.limits.overload });
  admission.start();
  closing.opened(() => admission.close());
  const transactions = new TransactionLayer<readonly ListenAddress[]>({
    admission,
    transport: new ReturnRouting({
      transport,
      locator,
      trustsVia: (flow) => peers.match(flow) !== undefined,
      logger,
    }),
    isSameParty: (source, asked) => peers.areSame(source, asked),
    clock,
    random,
    logger,
    limits: { ...defaultTransactionLimits, ...config.limits.transaction },
  });
  return { locator, admission, transactions };
}

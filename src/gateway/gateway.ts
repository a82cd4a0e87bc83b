import { once } from 'node:events';
import { createServer } from 'node:net';
import { AdminServer, OverlayApi } from '../admin/index.ts';
import { type Clock, type Logger, type Random, systemClock, systemRandom } from '../base/index.ts';
import type { Config, ListenAddress, WebAddress } from '../config/index.ts';
import type { AdmissionHooks } from '../tokens/index.ts';
import { ClosingStack } from './closing-stack.ts';
import { compose } from './compose.ts';
import { createTransport } from './compose-transactions.ts';
import { startHops } from './hops/start-hops.ts';
import { loadNodeKeys } from './node-keys.ts';
import type { Parts, Surroundings } from './parts.ts';
import { statusOf } from './status.ts';
import { openAudit, startEventSpool } from './stores.ts';
import { loadAuthorities, startRealm } from './trusted-parties.ts';

/** How long `close()` waits for requests that await their final response. */
const drainMs = 3_000;
const drainPollMs = 50;

export interface GatewayOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Asked about every registration and request outside a dialog, after the gateway's own checks have agreed. */
  readonly hooks?: Partial<AdmissionHooks>;
}

export interface GatewayAddresses {
  readonly listen: readonly ListenAddress[];
  readonly admin: WebAddress | undefined;
  /** Where this gateway answers for a realm. */
  readonly realm: string | undefined;
  /** The port on which this gateway publishes its identities. */
  readonly federation: number | undefined;
  /** Where the overlay's program interface is served. */
  readonly overlay: WebAddress | undefined;
}

/** A whole gateway: builds its parts from the configuration, starts and stops them. */
export interface Gateway {
  /** Resolves once every socket is open; rejects, leaving nothing open, with an error that says what was in the way. */
  start(): Promise<GatewayAddresses>;
  /** Reads certificates and keys again; rejects, leaving everything as it was, when one of them is wrong. */
  reloadCertificates(): Promise<void>;
  /** Takes no new calls, lets what is under way end for up to 3 s, flushes the stores. */
  close(): Promise<void>;
}

export function createGateway(options: GatewayOptions): Gateway {
  return new RunningGateway(options);
}

class RunningGateway implements Gateway {
  readonly #around: Surroundings;
  #parts: Parts | undefined;

  constructor({ config, logger, clock = systemClock, random = systemRandom, hooks = {} }: GatewayOptions) {
    this.#around = { config, logger, clock, random, hooks, closing: new ClosingStack(logger) };
  }

  async start(): Promise<GatewayAddresses> {
    try {
      return await this.#start();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #start(): Promise<GatewayAddresses> {
    const around = this.#around;
    const { config, clock, logger, closing } = around;
    await tryAddresses(around);
    const keys = await loadNodeKeys(config.dataDir, config.domain, clock);
    const audit = await openAudit(around, keys);
    const authorities = await loadAuthorities(around);
    const parts = await compose(around, keys, audit, authorities);
    this.#parts = parts;
    const orphans = parts.records.closeOrphans();
    if (orphans > 0) logger.warn({ calls: orphans }, 'closed calls that an earlier run left open');
    parts.overlay.start();
    parts.calls.start();
    parts.revocations.start();
    const realm = await startRealm(around, authorities);
    await startEventSpool(around, audit);
    await parts.anchoring?.start();
    const listen = await parts.transactions.start(parts.dispatcher);
    parts.addresses.opened(listen);
    closing.opened(() => closeSip(parts, clock));
    removeDeadFlows(around, parts);
    await startHops(around, parts, listen);
    parts.peers.start();
    const federation = await parts.federation?.start();
    const overlay = await startOverlayApi(around, parts);
    return { listen, realm, federation, overlay, admin: await startAdmin(around, parts, listen) };
  }

  async reloadCertificates(): Promise<void> {
    await this.#parts?.transport.reloadCertificates();
  }

  close(): Promise<void> {
    return this.#around.closing.close();
  }
}

/** Connections do not outlive the process; UDP flows do. Nothing is routed to a dead one, so that nobody waits for it. */
function removeDeadFlows({ logger, closing }: Surroundings, { overlay, transport }: Parts): void {
  const stopping = new AbortController();
  const removed = overlay
    .removeDeadFlows(({ flowId }) => transport.flow(flowId) !== undefined, stopping.signal)
    .catch((error: unknown) =>
      logger.error({ error: String(error) }, 'bindings of an earlier run remain until they expire'),
    );
  closing.opened(() => {
    stopping.abort();
    return removed;
  });
}

/** Opens and closes every socket: a port in use must be found before anything is written. */
async function tryAddresses(around: Surroundings): Promise<void> {
  const transport = createTransport(around);
  await transport.start({ onRequest: () => {}, onResponse: () => {}, onFlowClosed: () => {} });
  await transport.close();
  const address = around.config.admin.listen;
  if (address === undefined) return;
  const server = createServer();
  server.listen(address);
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}

async function startOverlayApi(
  { config, closing }: Surroundings,
  { overlay }: Parts,
): Promise<WebAddress | undefined> {
  const { listen, secret } = config.overlay.http;
  if (listen === undefined) return undefined;
  const api = new OverlayApi({ ...listen, overlay, secret });
  closing.opened(() => api.close());
  return { host: listen.host, port: await api.start() };
}

async function startAdmin(
  { config, clock, closing }: Surroundings,
  parts: Parts,
  listening: readonly ListenAddress[],
): Promise<WebAddress | undefined> {
  const address = config.admin.listen;
  if (address === undefined) return undefined;
  const facts = { domain: config.domain, startedAt: new Date(clock.now()).toISOString(), listening };
  const server = new AdminServer({
    ...address,
    metrics: parts.metrics,
    status: () => statusOf(parts, facts),
  });
  closing.opened(() => server.close());
  return { host: address.host, port: await server.start() };
}

/** Lets what is under way end, then closes the sockets; the stores under it are closed after it. */
async function closeSip(parts: Parts, clock: Clock): Promise<void> {
  const { transactions, transport, calls, records, regEvent, peers, dispatcher } = parts;
  dispatcher.drain();
  const deadline = clock.monotonicMs() + drainMs;
  while (transactions.unanswered() > 0 && clock.monotonicMs() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, drainPollMs));
  }
  calls.close();
  regEvent.close();
  peers.close();
  transactions.close();
  await transport.close();
  for (const call of calls) records.close(call, 'interrupted', { by: 'gateway', reason: 'gateway stopped' });
  await records.settled();
  records.stop();
}

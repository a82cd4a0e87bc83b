import { hkdfSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { AdminServer, type CallView, type LiveNumbers, Metrics, type StatusView } from '../admin/index.ts';
import { type Clock, type Logger, type Random, systemClock, systemRandom } from '../base/index.ts';
import {
  type Config,
  dataPaths,
  formatListenAddress,
  type ListenAddress,
  type WebAddress,
} from '../config/index.ts';
import {
  IdentityOverlay,
  type OverlayEvent,
  OverlayLocation,
  openStore,
  overlayRecord,
} from '../overlay/index.ts';
import { AuditLog, ProvenanceError } from '../provenance/index.ts';
import {
  DigestAuthenticator,
  DnsNames,
  defaultTransactionLimits,
  defaultTransportLimits,
  FailureThrottle,
  type Flow,
  FlowTokens,
  Gruus,
  Locator,
  NonceMint,
  type ProxyAddress,
  ProxyCore,
  Registrar,
  type RegistrationChange,
  ReturnRouting,
  TransactionLayer,
  TransportLayer,
} from '../sip/index.ts';
import { type Audit, noAudit } from './audit.ts';
import { Authentication } from './authentication.ts';
import { CallPolicy } from './call-policy.ts';
import { type Call, CallRecords } from './call-records.ts';
import { CallTable } from './call-table.ts';
import { Dispatcher } from './dispatcher.ts';
import { EventSpool } from './event-spool.ts';
import { GruuRouting } from './gruu-routing.ts';
import { IntentGate, replayWindowMs } from './intent-gate.ts';
import { loadNodeKeys, type NodeKeys } from './node-keys.ts';
import { OnBehalfSigner } from './on-behalf.ts';
import { Outbound } from './outbound.ts';
import { PeerTable } from './peer-table.ts';
import { Reachability } from './reachability.ts';
import { RegEvent } from './reg-event.ts';
import { Registration } from './registration.ts';
import { ServedDomain } from './served-domain.ts';
import { serviceRoutesFor } from './service-route.ts';
import { SingleUse } from './single-use.ts';
import { nodeSoftware, softwareVersion } from './software.ts';

/** How long `close()` waits for requests that await their final response. */
const drainMs = 3_000;
const drainPollMs = 50;
/** Calls that the status page lists. */
const maxCallsShown = 200;

export interface GatewayOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface GatewayAddresses {
  readonly listen: readonly ListenAddress[];
  readonly admin: WebAddress | undefined;
}

/** A whole gateway: builds its parts from the configuration, starts and stops them. */
export interface Gateway {
  /** Resolves once every socket is open; rejects, leaving nothing open, with an error that says what was in the way. */
  start(): Promise<GatewayAddresses>;
  /** Takes no new connections, lets what is under way end for up to 3 s, flushes the stores. */
  close(): Promise<void>;
}

export function createGateway(options: GatewayOptions): Gateway {
  return new RunningGateway(options);
}

/** The parts that others look into while the gateway runs. */
interface Parts {
  readonly keys: NodeKeys;
  readonly audit: Audit;
  readonly overlay: IdentityOverlay;
  readonly transport: TransportLayer;
  readonly transactions: TransactionLayer<readonly ListenAddress[]>;
  readonly records: CallRecords;
  readonly calls: CallTable;
  readonly metrics: Metrics;
  readonly registration: Registration;
  readonly regEvent: RegEvent;
  readonly dispatcher: Dispatcher;
}

class RunningGateway implements Gateway {
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #random: Random;
  /** How to close what has been opened, newest first. */
  readonly #closing: (() => Promise<void> | void)[] = [];
  #parts: Parts | undefined;
  /** Where the sockets are, once they are open. */
  #listening: readonly ListenAddress[] = [];

  constructor(options: GatewayOptions) {
    this.#config = options.config;
    this.#logger = options.logger;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
  }

  async start(): Promise<GatewayAddresses> {
    const config = this.#config;
    await this.#tryAddresses();
    const keys = await loadNodeKeys(config.dataDir, config.domain, this.#clock);
    const audit = await this.#openAudit(keys);
    const parts = await this.#compose(keys, audit);
    this.#parts = parts;
    const orphans = parts.records.closeOrphans();
    if (orphans > 0) this.#logger.warn({ calls: orphans }, 'closed calls that an earlier run left open');
    parts.overlay.start();
    parts.calls.start();
    const spool = new EventSpool({
      directory: dataPaths(config.dataDir).spool,
      audit,
      clock: this.#clock,
      logger: this.#logger,
    });
    await spool.start();
    this.#closing.unshift(() => spool.close());
    const listen = await parts.transactions.start(parts.dispatcher);
    this.#listening = listen;
    this.#closing.unshift(() => this.#closeSip(parts));
    // Connections do not outlive the process; UDP flows do.
    await parts.overlay.removeDeadFlows(({ flowId }) => parts.transport.flow(flowId) !== undefined);
    const admin = await this.#startAdmin(parts, listen);
    return { listen, admin };
  }

  async close(): Promise<void> {
    for (const close of this.#closing.splice(0)) {
      try {
        await close();
      } catch (error) {
        this.#logger.error({ error: String(error) }, 'a part of the gateway did not close cleanly');
      }
    }
  }

  /** Opens and closes every socket: a port in use must be found before anything is written. */
  async #tryAddresses(): Promise<void> {
    const transport = this.#createTransport();
    await transport.start({ onRequest: () => {}, onResponse: () => {}, onFlowClosed: () => {} });
    await transport.close();
    const address = this.#config.admin.listen;
    if (address === undefined) return;
    const server = createServer();
    server.listen(address);
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
  }

  async #openAudit(keys: NodeKeys): Promise<Audit> {
    const { audit, dataDir, limits } = this.#config;
    if (!audit.enabled) return noAudit;
    const paths = dataPaths(dataDir);
    const log = await AuditLog.open({
      directory: paths.log,
      indexDirectory: paths.index,
      checkpointKey: keys.checkpoint.key,
      origin: audit.origin,
      nodeKey: keys.node.key,
      nodeFingerprint: keys.node.token.fingerprint,
      nodeToken: keys.node.token.bytes,
      software: { name: 'tibet-sip', version: softwareVersion },
      clock: this.#clock,
      random: this.#random,
      logger: this.#logger,
      limits: limits.audit,
    });
    this.#closing.unshift(() => log.close());
    return log;
  }

  async #compose(keys: NodeKeys, audit: Audit): Promise<Parts> {
    const config = this.#config;
    const [clock, random, logger] = [this.#clock, this.#random, this.#logger];
    const transport = this.#createTransport();
    const peers = new PeerTable(config.peers);
    const locator = new Locator({
      names: new DnsNames(config.dns),
      clock,
      random,
      limits: config.limits.locating,
      transports: ['udp', 'tcp', 'tls'],
    });
    this.#closing.unshift(() => locator.close());
    const transactions = new TransactionLayer({
      transport: new ReturnRouting({
        transport,
        locator,
        trustsVia: ({ remote }) => peers.match(remote.address) !== undefined,
        logger,
      }),
      clock,
      random,
      logger,
      limits: { ...defaultTransactionLimits, ...config.limits.transaction },
    });
    const metrics = new Metrics(() => this.#liveNumbers());
    const records: CallRecords = new CallRecords({
      audit,
      clock,
      random,
      onClosed: (call, outcome) => {
        calls.remove(call);
        metrics.callEnded(outcome);
      },
    });
    const calls = new CallTable({
      clock,
      maxDurationMs: config.calls.maxDurationMs,
      onOverdue: (call) =>
        records.close(call, 'lost', { by: 'gateway', reason: 'no end within calls.maxDurationMs' }),
    });
    const overlay = await this.#openOverlay(keys, audit);
    const domain = new ServedDomain(config.domain, config.listen, config.advertise);
    const nonces = new NonceMint({ secret: random.bytes(32), random });
    const authentication = new Authentication({
      intents: new IntentGate({ overlay, domain, nonces, used: this.#openUsedTokens(), clock }),
      digest: new DigestAuthenticator({
        realm: config.auth.realm,
        credentials: { find: (username, realm) => overlay.credential(username, realm) },
        nonces,
        clock,
        random,
        algorithms: config.auth.algorithms,
        agents: config.auth.agents,
        qop: config.auth.qop,
        throttle: config.limits.digest,
      }),
      throttle: new FailureThrottle(config.limits.digest),
      overlay,
      peers,
      flowSpeaks: config.auth.flowSpeaks,
      clock,
      logger,
    });
    const { registrar: policy } = config;
    const gruus = new Gruus({
      domain: config.domain,
      secret: new Uint8Array(hkdfSync('sha256', keys.flows.seed, '', 'tibet-sip gruu 1', 32)),
      random,
    });
    const regEvent: RegEvent = new RegEvent({
      authentication,
      overlay,
      domain,
      audit,
      gruus: policy.gruu ? gruus : undefined,
      watchers: policy.watchers,
      limits: config.limits.regEvent,
      clock,
      random,
      addressFor: (flow) => this.#addressTowards(flow),
      send: (request, flow, handler) => transactions.send(request, flow, handler),
    });
    const registration: Registration = new Registration({
      authentication,
      registrar: new Registrar({
        location: new OverlayLocation({
          overlay,
          annotate: (fingerprint) => ({ assurance: registration.assuranceOf(fingerprint), capabilities: [] }),
        }),
        // Registration has already found the Request-URI to be ours, by the address that it arrived at.
        serves: () => true,
        random,
        logger,
        ...(policy.gruu ? { gruus } : {}),
        serviceRoutes: (source) =>
          serviceRoutesFor(policy.serviceRoute, source.transport, this.#addressTowards(source)),
        policy: {
          minExpiresSeconds: policy.minExpires,
          defaultExpiresSeconds: policy.defaultExpires,
          maxExpiresSeconds: policy.maxExpires,
          maxBindings: policy.maxBindingsPerIdentity,
          ...config.limits.registrar,
        },
      }),
      overlay,
      domain,
      audit,
      clock,
      random,
      onAccepted: (change) => metrics.registrationAccepted(change),
      onChanged: (fingerprint, changes) => regEvent.changed(fingerprint, endedByPhone(changes)),
    });
    const reachability = new Reachability({ overlay, transport, node: overlay.node });
    const proxy = new ProxyCore({
      transactions,
      policy: new CallPolicy({
        authentication,
        overlay,
        reachability,
        gruus: new GruuRouting({ gruus, overlay, reachability, domain }),
        registration,
        outbound: new Outbound({
          transport,
          locator,
          peers,
          silenceMs: config.limits.locating.silenceMs,
          logger,
        }),
        signer: new OnBehalfSigner({
          key: keys.gateway.key,
          fingerprint: keys.gateway.token.fingerprint,
          clock,
          random,
        }),
        domain,
        domainName: config.domain,
        records,
        calls,
        audit,
      }),
      tokens: new FlowTokens({ keys: [{ id: 1, secret: keys.flows.seed }], node: overlay.node.slice(0, 8) }),
      random,
      logger,
      addressFor: (flow) => this.#addressTowards(flow),
      isOwnAddress: (host, port) => this.#isOwnAddress(domain, host, port),
      timerCMs: config.calls.ringTimeoutMs,
      maxUdpRequestBytes: config.limits.locating.maxUdpRequestBytes,
    });
    const dispatcher = new Dispatcher({
      proxy,
      registration,
      regEvent,
      logger,
      onFlowClosed: (flow) => {
        authentication.forget(flow);
        regEvent.onFlowClosed(flow);
        overlay
          .removeBindingsOfFlow(flow.id)
          .catch((error: unknown) =>
            logger.error({ flow: flow.id, error: String(error) }, 'bindings of a closed flow remain'),
          );
      },
    });
    return {
      keys,
      audit,
      overlay,
      transport,
      transactions,
      records,
      calls,
      metrics,
      registration,
      regEvent,
      dispatcher,
    };
  }

  async #openOverlay(keys: NodeKeys, audit: Audit): Promise<IdentityOverlay> {
    const { overlay: settings, dataDir, limits } = this.#config;
    const store = await openStore(settings.store, dataPaths(dataDir).overlay, this.#logger);
    const overlay = new IdentityOverlay({
      store,
      node: keys.gateway.token.fingerprint,
      clock: this.#clock,
      random: this.#random,
      logger: this.#logger,
      enrolment: settings.enrolment,
      limits: limits.overlay,
      onEvent: (event) => {
        this.#recordEvent(audit, event);
        if (event.kind === 'deregistration' && event.identity !== undefined)
          this.#parts?.regEvent.changed(event.identity.fingerprint);
      },
    });
    this.#closing.unshift(() => overlay.close());
    return overlay;
  }

  #openUsedTokens(): SingleUse {
    const used = SingleUse.open(
      dataPaths(this.#config.dataDir).usedTokens,
      replayWindowMs,
      this.#clock.now(),
    );
    this.#closing.unshift(() => used.close());
    return used;
  }

  #recordEvent(audit: Audit, event: OverlayEvent): void {
    try {
      audit.append(overlayRecord(event));
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
      this.#logger.error(
        { event: event.kind, asked: event.asked, code: error.code },
        'an identity event left no record',
      );
    }
  }

  #createTransport(): TransportLayer {
    const { listen, limits, tls } = this.#config;
    return new TransportLayer({
      listen,
      limits: { ...defaultTransportLimits, ...limits.transport, message: limits.message },
      clock: this.#clock,
      logger: this.#logger,
      random: this.#random,
      ...(tls === undefined ? {} : { tls }),
    });
  }

  #isOwnAddress(domain: ServedDomain, host: string, port: number | undefined): boolean {
    const { listen } = this.#config;
    return (
      domain.serves(host, '') &&
      (port === undefined || listen.some((own) => own.port === port || own.port === 0))
    );
  }

  /** How the gateway calls itself towards a peer: by the configured name where it is bound to any address or reached by another. */
  #addressTowards(flow: Pick<Flow, 'transport' | 'local'>): ProxyAddress {
    const { address } = flow.local;
    const port = this.#listeningPort(flow);
    return { host: this.#config.advertise ?? (address.includes(':') ? `[${address}]` : address), port };
  }

  /** RFC 3261 §18.1.1: where new connections may come to. That of a connection that we opened takes none. */
  #listeningPort({ transport, local }: Pick<Flow, 'transport' | 'local'>): number {
    const own = this.#listening.filter((address) => address.transport === transport);
    return (own.find(({ port }) => port === local.port) ?? own[0])?.port ?? local.port;
  }

  async #startAdmin(parts: Parts, listen: readonly ListenAddress[]): Promise<WebAddress | undefined> {
    const address = this.#config.admin.listen;
    if (address === undefined) return undefined;
    const startedAt = new Date(this.#clock.now()).toISOString();
    const server = new AdminServer({
      ...address,
      metrics: parts.metrics,
      status: () => this.#status(parts, listen, startedAt),
    });
    this.#closing.unshift(() => server.close());
    return { host: address.host, port: await server.start() };
  }

  #status(parts: Parts, listen: readonly ListenAddress[], startedAt: string): StatusView {
    const { keys, audit, calls } = parts;
    const { flows, transactions } = this.#liveNumbers();
    return {
      software: nodeSoftware,
      domain: this.#config.domain,
      node: keys.gateway.token.fingerprint,
      startedAt,
      addresses: listen.map(formatListenAddress),
      flows,
      transactions,
      audit: { healthy: audit.healthy, records: audit.size, checkpoint: audit.checkpoint() },
      callsUp: calls.size,
      calls: calls.first(maxCallsShown).map(viewOf),
      callsTruncated: calls.size > maxCallsShown,
    };
  }

  #liveNumbers(): LiveNumbers {
    const parts = this.#parts;
    const { connections = 0, udpFlows = 0 } = parts?.transport.stats() ?? {};
    const { server = 0, client = 0 } = parts?.transactions.counts() ?? {};
    return {
      callsUp: parts?.calls.size ?? 0,
      transactions: server + client,
      flows: { connections, udp: udpFlows },
      auditHealthy: parts?.audit.healthy ?? false,
      auditRecords: parts?.audit.size ?? 0,
    };
  }

  /** Lets what is under way end, then closes the sockets; the stores under it are closed after it. */
  async #closeSip(parts: Parts): Promise<void> {
    const { transactions, transport, calls, records, regEvent } = parts;
    const deadline = this.#clock.monotonicMs() + drainMs;
    while (transactions.unanswered() > 0 && this.#clock.monotonicMs() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, drainPollMs));
    }
    calls.close();
    regEvent.close();
    transactions.close();
    await transport.close();
    for (const call of calls)
      records.close(call, 'interrupted', { by: 'gateway', reason: 'gateway stopped' });
    records.stop();
  }
}

/** What a REGISTER has ended, by the bindings' ids. */
function endedByPhone(changes: readonly RegistrationChange[]): string[] {
  return changes.flatMap((change) =>
    change.kind === 'removed' && change.cause !== 'expired' ? [change.binding.id] : [],
  );
}

function viewOf(call: Call): CallView {
  return {
    id: call.id,
    caller: call.caller.label,
    callee: call.callee.label,
    intent: call.intent,
    state: call.answeredAtMs !== undefined ? 'answered' : call.ringing ? 'ringing' : 'trying',
    since: new Date(call.answeredAtMs ?? call.attemptedAtMs).toISOString(),
  };
}

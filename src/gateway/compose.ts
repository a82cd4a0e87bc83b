import { hkdfSync } from 'node:crypto';
import { Metrics } from '../admin/index.ts';
import type { Authorities } from '../admission/index.ts';
import type { Config, ListenAddress } from '../config/index.ts';
import { OverlayLocation } from '../overlay/index.ts';
import {
  Admission,
  DigestAuthenticator,
  DnsNames,
  defaultTransactionLimits,
  defaultTransportLimits,
  FailureThrottle,
  FlowTokens,
  Gruus,
  Locator,
  NonceMint,
  ProxyCore,
  Registrar,
  type RegistrationChange,
  ReturnRouting,
  TransactionLayer,
  TransportLayer,
} from '../sip/index.ts';
import type { Audit } from './audit.ts';
import { Authentication, type AuthenticationOptions } from './authentication.ts';
import { CallAttempts } from './call-attempts.ts';
import { CallBarriers } from './call-barriers.ts';
import { CallCutting } from './call-cutting.ts';
import { CallPolicy } from './call-policy.ts';
import { CallRecords } from './call-records.ts';
import { CallTable } from './call-table.ts';
import { Callees } from './callees.ts';
import { CertificateIdentity } from './certificate-identity.ts';
import { DialogPolicy } from './dialog-policy.ts';
import { Dispatcher } from './dispatcher.ts';
import { composeFederation } from './federation/compose-federation.ts';
import { FlowTokenRotation, flowTokenKeyLifetimeMs, flowTokenKeys } from './flow-token-keys.ts';
import { GruuRouting } from './gruu-routing.ts';
import { HopTokens } from './hops/hop-token.ts';
import { NodeHops } from './hops/node-hops.ts';
import { IntentGate, type IntentGateOptions } from './intent-gate.ts';
import { LostFlows } from './lost-flows.ts';
import { composeMedia } from './media/compose-media.ts';
import type { NodeKeys } from './node-keys.ts';
import { OnBehalfSigner } from './on-behalf.ts';
import { Outbound } from './outbound.ts';
import { OwnAddresses } from './own-addresses.ts';
import type { Parts, Surroundings } from './parts.ts';
import { composePeers, type Peering } from './peers/compose-peers.ts';
import { PeerTable } from './peers/peer-table.ts';
import { PhoneNodes } from './phone-nodes.ts';
import { Reachability } from './reachability.ts';
import { ReceiptDelivery } from './receipt-delivery.ts';
import { RegEvent } from './reg-event.ts';
import { Registration } from './registration.ts';
import { RevocationWatch } from './revocation-watch.ts';
import { RingingCalls } from './ringing-calls.ts';
import { ServedDomain } from './served-domain.ts';
import { serviceRoutesFor } from './service-route.ts';
import { liveNumbers } from './status.ts';
import { openOverlay, openUsedTokens } from './stores.ts';
import { createAuthorisation } from './trusted-parties.ts';
import { Whereabouts } from './whereabouts.ts';

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

/** Builds the parts and joins them; opens the overlay, but no socket. */
export async function compose(
  around: Surroundings,
  keys: NodeKeys,
  audit: Audit,
  authorities: Authorities,
): Promise<Parts> {
  const { config, clock, random, logger, closing } = around;
  const transport = createTransport(around);
  const peers = new PeerTable(config.peers);
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
  const metrics = new Metrics(() => liveNumbers(parts));
  const records: CallRecords = new CallRecords({
    audit,
    clock,
    random,
    onClosed: (call, outcome) => {
      calls.remove(call);
      metrics.callEnded(outcome);
    },
    endMedia: (call) => anchoring?.end(call),
  });
  const calls = new CallTable({
    clock,
    maxDurationMs: config.calls.maxDurationMs,
    onOverdue: (call) =>
      records.close(call, 'lost', { by: 'gateway', reason: 'no end within calls.maxDurationMs' }),
  });
  const anchoring = composeMedia(around, {
    transactions,
    calls,
    isPeer: (flow) => peers.match(flow) !== undefined,
    onLost: (call, reason) => records.close(call, 'lost', { by: 'gateway', reason }),
    onRefused: (fault) => metrics.alarm(`media-${fault}`),
  });
  const overlay = await openOverlay(around, keys.gateway.token.fingerprint, audit, ({ kind, identity }) => {
    if (kind !== 'deregistration' || identity === undefined) return;
    regEvent.changed(identity.fingerprint);
    peering.phonesChanged(identity.fingerprint);
  });
  const lostFlows = new LostFlows({ overlay, logger });
  closing.opened(() => lostFlows.settled());
  const domain = new ServedDomain(config.domain, config.listen, config.advertise);
  const addresses = new OwnAddresses({ domain, transport, advertise: config.advertise });
  const { own, used } = openUsedTokens(around, overlay);
  const { key, token } = keys.gateway;
  const federation = await composeFederation(around, { keys, overlay, domain, transport, locator, used });
  const hops = new NodeHops({
    foreign: federation?.callees,
    overlay,
    transport,
    tokens: new HopTokens({ key, fingerprint: token.fingerprint, used: own, clock, random }),
    gateway: keys.gateway,
    domain: config.domain,
    clock,
    logger,
  });
  closing.opened(() => hops.close());
  const authentication = createAuthentication(around, {
    overlay,
    domain,
    peers,
    used,
    hops,
    foreign: federation?.callers,
  });
  const authorisation = createAuthorisation(around, overlay, authorities);
  const { registrar: policy } = config;
  const gruus = new Gruus({
    domain: config.domain,
    secret: new Uint8Array(
      hkdfSync('sha256', config.overlay.node.secret ?? keys.flows.seed, '', 'tibet-sip gruu 1', 32),
    ),
    random,
  });
  const regEvent: RegEvent = new RegEvent({
    authentication,
    authorisation,
    overlay,
    domain,
    audit,
    gruus: policy.gruu ? gruus : undefined,
    watchers: policy.watchers,
    limits: config.limits.regEvent,
    clock,
    random,
    addressFor: (flow) => addresses.towards(flow),
    send: (request, flow, handler) => transactions.send(request, flow, handler),
  });
  const peering: Peering = composePeers(around, {
    table: peers,
    transport,
    locator,
    transactions,
    addresses,
    overlay,
    audit,
    authentication,
    recordsOf: (fingerprint) => registration.recordsOf(fingerprint),
  });
  const receipts = new ReceiptDelivery({
    audit,
    domain: config.domain,
    nodeToken: keys.node.token.bytes,
    clock,
    random,
    logger,
    addressFor: (flow) => addresses.towards(flow),
    send: (request, flow, handler) => transactions.send(request, flow, handler),
  });
  closing.opened(() => receipts.close());
  const registration: Registration = new Registration({
    authentication,
    authorisation,
    throughPbx: peering.peers.throughPbx,
    registrar: new Registrar({
      location: new OverlayLocation({
        overlay,
        annotate: (fingerprint) => ({ assurance: registration.assuranceOf(fingerprint), capabilities: [] }),
      }),
      // Registration has already found the Request-URI to be ours, by the address that it arrived at.
      serves: () => true,
      random,
      ...(policy.gruu ? { gruus } : {}),
      serviceRoutes: (source) =>
        serviceRoutesFor(policy.serviceRoute, source.transport, addresses.towards(source)),
      policy: {
        minExpiresSeconds: policy.minExpires,
        defaultExpiresSeconds: policy.defaultExpires,
        maxExpiresSeconds: policy.maxExpires,
        maxBindings: policy.maxBindingsPerIdentity,
        ...config.limits.registrar,
        datagramFlowTimerSeconds: config.limits.transport.udpKeepSeconds,
        streamFlowTimerSeconds: config.limits.transport.streamKeepSeconds,
      },
    }),
    overlay,
    domain,
    audit,
    clock,
    random,
    onRegistered: (request, flow, fingerprint) => {
      federation?.publishing
        .registered(request, fingerprint)
        .catch((error: unknown) => logger.warn({ error: String(error) }, 'a home could not be kept'));
      receipts
        .registered(request, flow, fingerprint)
        .catch((error: unknown) => logger.warn({ error: String(error) }, 'receipts could not be read'));
    },
    onAccepted: (change) => metrics.registrationAccepted(change),
    onChanged: (fingerprint, changes) => {
      reachability.changed(changes);
      ringing.reachableAgain(fingerprint);
      regEvent.changed(fingerprint, endedByPhone(changes));
      peering.phonesChanged(fingerprint);
      anchoring?.phonesChanged(fingerprint, changes);
    },
  });
  const reachability: Reachability = new Reachability({
    overlay,
    transport,
    node: overlay.node,
    silenceMs: config.limits.locating.silenceMs,
  });
  const ringing: RingingCalls = new RingingCalls({ reachability, logger });
  const gruuRouting = new GruuRouting({ gruus, overlay, reachability, domain });
  const outbound = new Outbound({
    requests: peering.requests,
    monitor: peering.monitor,
    credentials: peering.credentials,
    transport,
    locator,
    peers,
    ...(passwordsElsewhere(config) ? {} : { realm: config.auth.realm }),
    silenceMs: config.limits.locating.silenceMs,
    logger,
  });
  const signer = new OnBehalfSigner({
    key: keys.gateway.key,
    fingerprint: keys.gateway.token.fingerprint,
    node: keys.node.token.fingerprint,
    clock,
    random,
  });
  const routing = { authentication, overlay, reachability, outbound, hops, signer, records, calls };
  const barriers = new CallBarriers({
    maxPerIdentity: config.calls.maxPerIdentity,
    barred: config.calls.barred,
    plans: config.peers.map(({ numbering }) => numbering),
    callsOf: (fingerprint) => calls.countOf(fingerprint),
    logger,
    onAlarm: (barrier) => metrics.alarm(barrier),
  });
  const dialogs = new DialogPolicy({ ...routing, barriers, gruus: gruuRouting, domainName: config.domain });
  const foreign = federation?.callees;
  const callPolicy = new CallPolicy({
    ...routing,
    callees: new Callees({ overlay, gruus: gruuRouting, peers, foreign, domain }),
    whereabouts: new Whereabouts({ overlay, reachability, outbound, hops, foreign, domain }),
    attempts: new CallAttempts({ records, registration, signer, domainName: config.domain }),
    dialogs,
    authorisation,
    domain,
    barriers,
    ringing,
    admission,
    rejoinMs: config.calls.rejoinMs,
    followRedirects: config.calls.followRedirects,
    audit,
    mediaRefusal: (request, flow) => anchoring?.refusal(request, flow),
  });
  const flowTokenLifetimeMs = flowTokenKeyLifetimeMs(config.calls.maxDurationMs);
  const flowTokens = new FlowTokens({
    keys: flowTokenKeys(keys.flows.seed, clock.now(), flowTokenLifetimeMs),
    node: overlay.node.slice(0, 8),
    random,
  });
  const rotation = new FlowTokenRotation({
    tokens: flowTokens,
    secret: keys.flows.seed,
    lifetimeMs: flowTokenLifetimeMs,
    clock,
  });
  closing.opened(() => rotation.close());
  const proxy = new ProxyCore({
    transactions: anchoring?.transactions ?? transactions,
    policy: anchoring?.around(callPolicy) ?? callPolicy,
    admission,
    tokens: flowTokens,
    random,
    logger,
    addressFor: (flow) => addresses.towards(flow),
    isOwnAddress: (host, port) => addresses.include(host, port),
    timerCMs: config.calls.ringTimeoutMs,
    maxUdpRequestBytes: config.limits.locating.maxUdpRequestBytes,
    messageLimits: config.limits.message,
  });
  const dispatcher = new Dispatcher({
    proxy,
    registration,
    regEvent,
    admission,
    logger,
    onFlowClosed: (flow) => {
      authentication.forget(flow);
      regEvent.onFlowClosed(flow);
      receipts.onFlowClosed(flow);
      lostFlows.onFlowClosed(flow);
    },
  });
  const cutting = new CallCutting({
    dialogs,
    signer,
    domainName: config.domain,
    random,
    logger,
    addressFor: (flow) => addresses.towards(flow),
    send: (request, flow, handler) => transactions.send(request, flow, handler),
  });
  const revocations = new RevocationWatch({
    overlay,
    authentication,
    calls,
    records,
    cutting: config.calls.whenRevoked === 'cut' ? cutting : undefined,
    clock,
    logger,
  });
  closing.opened(() => revocations.close());
  const parts: Parts = {
    keys,
    audit,
    overlay,
    transport,
    transactions,
    addresses,
    records,
    calls,
    metrics,
    regEvent,
    hops,
    federation,
    peers: peering.peers,
    dispatcher,
    revocations,
    anchoring,
  };
  return parts;
}

function createAuthentication(
  around: Surroundings,
  {
    overlay,
    domain,
    peers,
    used,
    hops,
    foreign,
  }: Pick<AuthenticationOptions, 'overlay' | 'peers' | 'hops' | 'foreign'> &
    Pick<IntentGateOptions, 'domain' | 'used'>,
): Authentication {
  const { config, clock, random, logger } = around;
  const nonces = new NonceMint({
    secret: random.bytes(32),
    random,
    lifetimeMs: config.auth.nonceLifetimeMs,
  });
  return new Authentication({
    intents: new IntentGate({
      overlay,
      domain,
      nonces,
      used,
      toOthers: foreign !== undefined,
      nodes: new PhoneNodes(),
      clock,
    }),
    certificates: new CertificateIdentity({ overlay, domain }),
    digest: new DigestAuthenticator({
      realm: config.auth.realm,
      credentials: {
        find: (username, realm) => peers.credential(username, realm) ?? overlay.credential(username, realm),
      },
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
    hops,
    foreign,
    flowSpeaks: config.auth.flowSpeaks,
    passwordsElsewhere: passwordsElsewhere(config),
    speakers: config.limits.speakers,
    clock,
    logger,
  });
}

/** Whether a PBX, and not this gateway, knows the phones' passwords. */
function passwordsElsewhere({ peers }: Config): boolean {
  return peers.some(({ registrations }) => registrations.by === 'phones');
}

/** What a REGISTER has ended, by the bindings' ids. */
function endedByPhone(changes: readonly RegistrationChange[]): string[] {
  return changes.flatMap((change) =>
    change.kind === 'removed' && change.cause !== 'expired' ? [change.binding.id] : [],
  );
}

import { hkdfSync } from 'node:crypto';
import { Metrics } from '../admin/index.ts';
import type { Authorities } from '../admission/index.ts';
import { OverlayLocation } from '../overlay/index.ts';
import { Gruus, ProxyCore, type RegistrationChange } from '../sip/index.ts';
import type { Audit } from './audit.ts';
import { CallAttempts } from './call-attempts.ts';
import { CallBarriers } from './call-barriers.ts';
import { CallCutting } from './call-cutting.ts';
import { CallPolicy } from './call-policy.ts';
import { CallRecords } from './call-records.ts';
import { CallTable } from './call-table.ts';
import { Callees } from './callees.ts';
import { createAuthentication, passwordsElsewhere } from './compose-authentication.ts';
import { createRegistrar } from './compose-registrar.ts';
import { composeTransactions, createTransport } from './compose-transactions.ts';
import { DialogPolicy } from './dialog-policy.ts';
import { Dispatcher } from './dispatcher.ts';
import { composeFederation } from './federation/compose-federation.ts';
import { openFlowTokens } from './flow-token-keys.ts';
import { GruuRouting } from './gruu-routing.ts';
import { HopTokens } from './hops/hop-token.ts';
import { NodeHops } from './hops/node-hops.ts';
import { LostFlows } from './lost-flows.ts';
import { composeMedia } from './media/compose-media.ts';
import type { NodeKeys } from './node-keys.ts';
import { OnBehalfSigner } from './on-behalf.ts';
import { Outbound } from './outbound.ts';
import { OwnAddresses } from './own-addresses.ts';
import type { Parts, Surroundings } from './parts.ts';
import { composePeers, type Peering } from './peers/compose-peers.ts';
import { PeerTable } from './peers/peer-table.ts';
import { Reachability } from './reachability.ts';
import { ReceiptDelivery } from './receipt-delivery.ts';
import { RegEvent } from './reg-event.ts';
import { Registration } from './registration.ts';
import { RevocationWatch } from './revocation-watch.ts';
import { RingingCalls } from './ringing-calls.ts';
import { ServedDomain } from './served-domain.ts';
import { liveNumbers } from './status.ts';
import { openOverlay, openUsedTokens } from './stores.ts';
import { createAuthorisation } from './trusted-parties.ts';
import { Whereabouts } from './whereabouts.ts';

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
  const { locator, admission, transactions } = composeTransactions(around, transport, peers);
  const metrics = new Metrics(() => liveNumbers(parts));
  const records: CallRecords = new CallRecords({
    audit,
    clock,
    random,
    onClosed: (call, outcome) => {
      const kept = outcome === 'interrupted' && config.calls.whenRevoked === 'keep';
      calls.remove(call, outcome === 'lost' || kept);
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
  const lostFlows = new LostFlows({ overlay, clock, logger });
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
    registrar: createRegistrar(around, {
      location: new OverlayLocation({
        overlay,
        annotate: (fingerprint) => ({ assurance: registration.assuranceOf(fingerprint), capabilities: [] }),
      }),
      addresses,
      gruus: policy.gruu ? gruus : undefined,
    }),
    overlay,
    domain,
    audit,
    refreshIntervalMs: config.audit.refreshIntervalMs,
    clock,
    random,
    publish:
      federation &&
      ((request, fingerprint) =>
        federation.publishing
          .registered(request, fingerprint)
          .catch((error: unknown) => logger.warn({ error: String(error) }, 'a home could not be kept'))),
    onRegistered: (request, flow, fingerprint) => {
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
  const dialogs = new DialogPolicy({
    ...routing,
    barriers,
    gruus: gruuRouting,
    domainName: config.domain,
    run: keys.node.token.fingerprint,
  });
  const foreign = federation?.callees;
  const callPolicy = new CallPolicy({
    ...routing,
    callees: new Callees({ overlay, gruus: gruuRouting, peers, foreign, domain }),
    whereabouts: new Whereabouts({ overlay, reachability, outbound, hops, foreign, domain }),
    attempts: new CallAttempts({
      records,
      registration,
      signer,
      domainName: config.domain,
      gateway: keys.gateway.token,
    }),
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
  const flowTokens = openFlowTokens(around, keys, keys.node.token.fingerprint);
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
    clock,
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

/** What a REGISTER has ended, by the bindings' ids. */
function endedByPhone(changes: readonly RegistrationChange[]): string[] {
  return changes.flatMap((change) =>
    change.kind === 'removed' && change.cause !== 'expired' ? [change.binding.id] : [],
  );
}

import type { CallView, LiveNumbers, StatusView } from '../admin/index.ts';
import { formatListenAddress, type ListenAddress } from '../config/index.ts';
import type { Call } from './call-records.ts';
import type { Parts } from './parts.ts';
import { nodeSoftware } from './software.ts';

/** Calls that the status page lists. */
const maxCallsShown = 200;

export interface StatusFacts {
  readonly domain: string;
  readonly startedAt: string;
  readonly listening: readonly ListenAddress[];
}

/** What the operator's page shows. */
export function statusOf(parts: Parts, facts: StatusFacts): StatusView {
  const { keys, audit, calls } = parts;
  const { flows, transactions } = liveNumbers(parts);
  return {
    software: nodeSoftware,
    domain: facts.domain,
    node: keys.gateway.token.fingerprint,
    startedAt: facts.startedAt,
    addresses: facts.listening.map(formatListenAddress),
    flows,
    transactions,
    audit: { healthy: audit.healthy, records: audit.size, checkpoint: audit.checkpoint() },
    peers: parts.peers.views(),
    media: parts.anchoring?.engine.health,
    callsUp: calls.size,
    calls: calls.first(maxCallsShown).map(viewOf),
    callsTruncated: calls.size > maxCallsShown,
  };
}

/** What the gauges read when somebody asks for metrics. */
export function liveNumbers({ transport, transactions, calls, audit, peers, anchoring }: Parts): LiveNumbers {
  const { connections, udpFlows } = transport.stats();
  const { server, client, timers } = transactions.counts();
  return {
    callsUp: calls.size,
    transactions: server + client,
    timers,
    flows: { connections, udp: udpFlows },
    auditHealthy: audit.healthy,
    auditRecords: audit.size,
    peers: peers.views(),
    media: anchoring?.engine.health,
  };
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

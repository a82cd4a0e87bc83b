import { type Clock, type Logger, type Random, randomId, type Timer } from '../../base/index.ts';
import type { PeerConfig } from '../../config/index.ts';
import { createRequest, headerField, type Locator, type SipRequest } from '../../sip/index.ts';
import { afterProbe, type Liveness, nextProbeMs, unprobed } from './liveness.ts';
import { domainOf } from './peer-addresses.ts';
import type { PeerRecords } from './peer-records.ts';
import type { OwnEnd, PeerRequests } from './peer-requests.ts';

export interface PeerMonitorOptions {
  readonly peers: readonly PeerConfig[];
  readonly requests: PeerRequests;
  readonly locator: Pick<Locator, 'markDead' | 'markAlive'>;
  readonly records: PeerRecords;
  /** The domain in the From of probes. */
  readonly domain: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** After each probe that was answered; `cameBack` when the one before it was not, or came over another connection. */
  readonly onAnswered: (peer: PeerConfig, cameBack: boolean) => void;
}

interface Watch {
  readonly peer: PeerConfig;
  liveness: Liveness;
  timer: Timer | undefined;
  probing: boolean;
  /** Somebody has met trouble since the probe under way began. */
  suspected: boolean;
  /** The connections over which answers came last: a PBX that restarts has none of them. */
  connections: ReadonlySet<string>;
}

/** Knows which peers answer: asks each of their addresses with OPTIONS, and at once when a call met silence. */
export class PeerMonitor {
  readonly #options: PeerMonitorOptions;
  readonly #watches: ReadonlyMap<string, Watch>;
  #closed = false;

  constructor(options: PeerMonitorOptions) {
    const { peers, clock } = options;
    this.#options = options;
    this.#watches = new Map(
      peers.map((peer) => [
        peer.name,
        {
          peer,
          liveness: unprobed(clock.now()),
          timer: undefined,
          probing: false,
          suspected: false,
          connections: new Set<string>(),
        },
      ]),
    );
  }

  start(): void {
    for (const watch of this.#watches.values()) if (watch.peer.probe.intervalMs > 0) this.#begin(watch);
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#watches.values()) timer?.cancel();
  }

  livenessOf({ name }: PeerConfig): Liveness {
    return this.#watches.get(name)?.liveness ?? unprobed(0);
  }

  isDown(peer: PeerConfig): boolean {
    return this.livenessOf(peer).state === 'down';
  }

  /** A call or registration met silence there: whether that was all of it is found out now. */
  suspect({ name, probe }: PeerConfig): void {
    const watch = this.#watches.get(name);
    if (watch === undefined || probe.intervalMs === 0 || watch.liveness.state === 'down') return;
    if (watch.probing) watch.suspected = true;
    else this.#begin(watch);
  }

  #begin(watch: Watch): void {
    const { logger } = this.#options;
    watch.timer?.cancel();
    watch.probing = true;
    watch.suspected = false;
    this.#probe(watch)
      .catch((error: unknown) => logger.error({ peer: watch.peer.name, error }, 'a probe failed'))
      .finally(() => {
        watch.probing = false;
        if (this.#closed) return;
        if (watch.suspected) this.#begin(watch);
        else
          watch.timer = this.#options.clock.setTimer(nextProbeMs(watch.liveness, watch.peer.probe), () =>
            this.#begin(watch),
          );
      });
  }

  async #probe(watch: Watch): Promise<void> {
    const { requests, locator, clock } = this.#options;
    const { peer } = watch;
    const { probe } = peer;
    const targets = await requests.addresses(peer);
    const connections = new Set<string>();
    const answers = await Promise.all(
      targets.map(async (target) => {
        const answer = await requests.toAddress(
          target,
          (own) => this.#optionsRequest(peer, own),
          probe.timeoutMs,
        );
        // Whatever it says, it is there; 503 says that it takes nothing now.
        const answered = answer.kind === 'answered' && answer.response.status !== 503;
        if (answer.kind === 'answered' && answer.flow.reliable) connections.add(answer.flow.id);
        if (answered) locator.markAlive(target);
        else locator.markDead(target, 2 * probe.intervalMs);
        return answered;
      }),
    );
    if (this.#closed) return;
    const before = watch.liveness;
    watch.liveness = afterProbe(before, answers.includes(true), probe, clock.now());
    this.#tell(peer, before, watch.liveness);
    if (!answers.includes(true)) return;
    const moved = watch.connections.size > 0 && connections.isDisjointFrom(watch.connections);
    watch.connections = connections;
    this.#options.onAnswered(peer, before.missed > 0 || moved);
  }

  #tell(peer: PeerConfig, before: Liveness, after: Liveness): void {
    if (before.state === after.state) return;
    const { records, logger } = this.#options;
    const { name } = peer;
    if (after.state === 'down') logger.warn({ peer: name, missed: after.missed }, 'a peer does not answer');
    else logger.info({ peer: name, before: before.state }, 'a peer answers');
    records.peer(peer, after.state === 'down' ? 'down' : 'up', { before: before.state });
  }

  #optionsRequest(peer: PeerConfig, { via, hostPort, transportParam }: OwnEnd): SipRequest {
    const { random, domain } = this.#options;
    const uri = `sip:${domainOf(peer)}`;
    return createRequest({
      method: 'OPTIONS',
      uri,
      via,
      from: `<sip:${domain}>;tag=${randomId(random, 40)}`,
      to: `<${uri}>`,
      callId: randomId(random, 80),
      cseq: 1,
      headers: [
        headerField('Contact', `<sip:${hostPort}${transportParam}>`),
        headerField('Accept', 'application/sdp'),
      ],
    });
  }
}

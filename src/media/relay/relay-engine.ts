import { isIPv6 } from 'node:net';
import type { Clock, Logger } from '../../base/index.ts';
import type {
  MediaEngine,
  MediaEvents,
  MediaExchange,
  MediaFault,
  MediaHealth,
  MediaParty,
  MediaPeer,
  MediaRefusal,
  MediaReport,
  MediaResult,
} from '../engine.ts';
import { canonicalAddress, parseSdp, SdpError, type SessionDescription } from '../sdp/index.ts';
import { faultOf } from './acceptable.ts';
import { anchored, planAnchor } from './anchor-plan.ts';
import type { LearnFrom } from './latch.ts';
import type { RelayLimits } from './limits.ts';
import type { PortRange } from './port-pool.ts';
import type { RelaySettings } from './protocol.ts';
import { type KeptExchange, RelayMemory } from './relay-memory.ts';
import { openSocket } from './relay-socket.ts';
import { RelayThread, type RelayThreadOptions } from './relay-thread.ts';

export interface RelayEngineOptions {
  /** Addresses of this machine that media comes to; none: the one that the party's signalling comes to. */
  readonly listen: readonly string[];
  /** What phones are told instead, where this machine is known by another address. */
  readonly address: readonly string[];
  readonly ports: PortRange;
  readonly learnFrom: LearnFrom;
  readonly limits: RelayLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly startWorker?: RelayThreadOptions['startWorker'];
}

/** The built-in relay: symmetric RTP in a thread of its own. */
export class RelayEngine implements MediaEngine {
  readonly #options: RelayEngineOptions;
  readonly #thread: RelayThread;
  readonly #memory = new RelayMemory();
  #events: MediaEvents | undefined;

  constructor(options: RelayEngineOptions) {
    this.#options = options;
    const { ports, learnFrom, clock, logger, startWorker, limits } = options;
    const { silenceMs, holdMs, relearnMs, sweepIntervalMs, answerTimeoutMs } = limits;
    const settings: RelaySettings = { ports, learnFrom, silenceMs, holdMs, relearnMs, sweepIntervalMs };
    this.#thread = new RelayThread({
      settings,
      clock,
      logger,
      answerTimeoutMs,
      ...(startWorker === undefined ? {} : { startWorker }),
      onStarted: () => void this.#restore(),
      onLearned: (session, learned) => this.#memory.learned(session, learned),
      onSilent: (session, streams) => {
        this.#memory.forget(session);
        this.#events?.onSilent(session, { streams });
      },
    });
  }

  get health(): MediaHealth {
    const { up, pairs } = this.#thread;
    const sessions = this.#memory.size;
    return {
      up,
      sessions,
      detail: up ? `${sessions} sessions, ${pairs} pairs of ports` : 'the relay is not running',
    };
  }

  async start(events: MediaEvents): Promise<void> {
    this.#events = events;
    for (const address of this.#options.listen) await tryAddress(address);
    await this.#thread.start();
  }

  close(): Promise<void> {
    return this.#thread.close();
  }

  check(sdp: Uint8Array, sender: MediaPeer): MediaRefusal | undefined {
    if (!this.#thread.up) return refused('unavailable', 'Media Relay Unavailable');
    const read = this.#read(sdp, sender);
    return 'kind' in read ? read : undefined;
  }

  offer(exchange: MediaExchange): Promise<MediaResult> {
    return this.#exchange(exchange, false);
  }

  answer(exchange: MediaExchange): Promise<MediaResult> {
    return this.#exchange(exchange, true);
  }

  reauthorize(session: string, party: MediaParty, { observed }: MediaPeer): void {
    this.#thread.tell({ kind: 'reauthorize', session, party, observed: canonicalAddress(observed) });
  }

  async query(session: string): Promise<MediaReport | undefined> {
    return reportOf(await this.#thread.ask('query', session));
  }

  async release(session: string): Promise<MediaReport | undefined> {
    this.#memory.forget(session);
    return reportOf(await this.#thread.ask('release', session));
  }

  async #exchange(exchange: MediaExchange, answer: boolean): Promise<MediaResult> {
    const { session, from, sdp, sender, receiver } = exchange;
    const read = this.#read(sdp, sender);
    // An answer cannot be declined any more: its address is then just not believed.
    if ('kind' in read && !(answer && read.fault === 'unacceptable' && read.description !== undefined))
      return read;
    const description = 'kind' in read ? read.description : read;
    if (description === undefined) return refused('unacceptable', 'Bad Session Description');
    const plan = planAnchor(description);
    if (plan.streams.length === 0) return { kind: 'anchored', sdp };
    const { bind, told } = this.#addressFor(receiver);
    const observed = canonicalAddress(sender.observed);
    const kept: KeptExchange = {
      session,
      from,
      answer,
      observed,
      // RFC 7362 §4.2: to an address that nobody has proved, media is not sent before some has come from there.
      sendAhead:
        sender.trusted ||
        plan.streams.every(({ rtp }) => rtp === undefined || canonicalAddress(rtp.address) === observed),
      bind,
      streams: plan.streams,
    };
    this.#memory.keep(kept);
    const outcome = await this.#thread.exchange(kept);
    switch (outcome.kind) {
      case 'ports':
        this.#memory.told(kept, outcome.ports);
        return { kind: 'anchored', sdp: anchored(plan, told, outcome.ports) };
      case 'exhausted':
        return refused('exhausted', 'No Media Ports Left');
      default:
        return refused('unavailable', 'Media Relay Unavailable');
    }
  }

  #read(
    sdp: Uint8Array,
    sender: MediaPeer,
  ): SessionDescription | (MediaRefusal & { readonly description?: SessionDescription }) {
    try {
      const description = parseSdp(sdp, this.#options.limits);
      const fault = faultOf(description, sender);
      return fault === undefined ? description : { ...refused('unacceptable', fault), description };
    } catch (error) {
      if (error instanceof SdpError) return refused('unacceptable', 'Bad Session Description');
      throw error;
    }
  }

  /** Where the receiver's media is to come to, in its own address family while we have one. */
  #addressFor({ observed, local }: MediaPeer): { readonly bind: string; readonly told: string } {
    const { listen, address } = this.#options;
    const bind = ofFamily(listen, observed) ?? canonicalAddress(local);
    const told = address.find((own) => isIPv6(own) === isIPv6(bind)) ?? bind;
    return { bind, told };
  }

  /** After the thread's end: the same ports again, and the sources that had been learned. */
  async #restore(): Promise<void> {
    const lost: string[] = [];
    for (const { session, exchanges, sources } of this.#memory.sessions()) {
      let restored = true;
      for (const exchange of exchanges) {
        const outcome = await this.#thread.exchange(exchange);
        if (outcome.kind !== 'ports') restored = false;
      }
      if (restored) this.#thread.tell({ kind: 'restore', session, sources });
      else {
        lost.push(session);
        await this.release(session);
      }
    }
    if (lost.length > 0) this.#events?.onLost(lost);
  }
}

/** An address that this machine does not have is found before the first call. */
async function tryAddress(address: string): Promise<void> {
  try {
    (await openSocket(address, 0)).close();
  } catch (error) {
    throw new Error(`media cannot come to ${address}: it is no address of this machine`, { cause: error });
  }
}

function ofFamily(addresses: readonly string[], like: string): string | undefined {
  const ipv6 = isIPv6(canonicalAddress(like));
  return addresses.find((address) => isIPv6(address) === ipv6) ?? addresses[0];
}

function refused(fault: MediaFault, reason: string): MediaRefusal {
  return { kind: 'refused', fault, reason };
}

function reportOf(outcome: Awaited<ReturnType<RelayThread['ask']>>): MediaReport | undefined {
  return outcome.kind === 'report' && outcome.streams !== undefined
    ? { streams: outcome.streams }
    : undefined;
}

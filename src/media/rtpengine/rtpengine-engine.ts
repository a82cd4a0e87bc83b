import type { Clock, Logger, Random, Timer } from '../../base/index.ts';
import type {
  MediaEngine,
  MediaEvents,
  MediaExchange,
  MediaHealth,
  MediaParty,
  MediaPeer,
  MediaRefusal,
  MediaReport,
  MediaResult,
} from '../engine.ts';
import { canonicalAddress, type SdpLimits } from '../sdp/index.ts';
import { styleOf } from './exchange-parameters.ts';
import { Instance, type NgOutcome } from './instance.ts';
import type { RtpengineLimits } from './limits.ts';
import type { NgAddress } from './ng-client.ts';
import { readDescription, refused } from './refusal.ts';
import { isHeld, Session } from './session.ts';

export interface RtpengineEngineOptions {
  /** Each on its own carries calls from beginning to end. */
  readonly instances: readonly NgAddress[];
  /** Flags that every offer and answer has besides our own. */
  readonly flags: readonly string[];
  readonly limits: RtpengineLimits;
  readonly sdpLimits: SdpLimits;
  readonly silenceMs: number;
  readonly holdMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A command has to fit into one datagram. */
const maxDescriptionBytes = 49_152;

/** Media through one or several rtpengines, which join browsers to phones besides relaying. */
export class RtpengineEngine implements MediaEngine {
  readonly #options: RtpengineEngineOptions;
  readonly #sdpLimits: SdpLimits;
  readonly #instances: readonly Instance[];
  readonly #sessions = new Map<string, Session>();
  #events: MediaEvents | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: RtpengineEngineOptions) {
    this.#options = options;
    const { logger, sdpLimits } = options;
    this.#sdpLimits = { ...sdpLimits, maxBytes: Math.min(sdpLimits.maxBytes, maxDescriptionBytes) };
    this.#instances = options.instances.map(
      (address) =>
        new Instance({
          ...options,
          address,
          onChange: ({ name, up }) =>
            up
              ? logger.info({ instance: name }, 'rtpengine answers')
              : logger.warn({ instance: name }, 'rtpengine does not answer'),
        }),
    );
  }

  get health(): MediaHealth {
    const up = this.#instances.filter((instance) => instance.up).length;
    const detail = `${up} of ${this.#instances.length} rtpengine instances answer, ${this.#sessions.size} sessions`;
    return { up: up > 0, sessions: this.#sessions.size, detail };
  }

  /** An instance that is not there yet may still come. */
  async start(events: MediaEvents): Promise<void> {
    this.#events = events;
    await Promise.all(this.#instances.map((instance) => instance.start()));
    if (!this.health.up) this.#options.logger.warn({}, 'no rtpengine answers: calls get 503');
    this.#sweepLater();
  }

  /** Calls go on without us; rtpengine ends them when nobody speaks in them any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    for (const instance of this.#instances) instance.close();
  }

  check(sdp: Uint8Array, sender: MediaPeer): MediaRefusal | undefined {
    if (!this.health.up) return refused('unavailable');
    const read = readDescription(sdp, sender, this.#sdpLimits);
    return 'kind' in read ? read : undefined;
  }

  offer(exchange: MediaExchange): Promise<MediaResult> {
    let session = this.#sessions.get(exchange.session);
    if (session === undefined) {
      session = new Session(exchange.session, this.#options.flags, this.#options.clock.monotonicMs());
      this.#sessions.set(session.id, session);
    }
    return this.#exchange(session, exchange, false);
  }

  async answer(exchange: MediaExchange): Promise<MediaResult> {
    const session = this.#sessions.get(exchange.session);
    return session === undefined ? refused('unavailable') : this.#exchange(session, exchange, true);
  }

  /** Tells the same descriptions again, with the new address; a browser's ICE finds its way by itself. */
  reauthorize(id: string, party: MediaParty, peer: MediaPeer): void {
    const session = this.#sessions.get(id);
    const words = session?.words.get(party);
    if (session === undefined || words === undefined || words.style === 'webrtc') return;
    if (canonicalAddress(words.peer.observed) === canonicalAddress(peer.observed)) return;
    const other: MediaParty = party === 'caller' ? 'callee' : 'caller';
    void session.inTurn(async () => {
      session.words.set(party, { ...words, peer });
      const theirs = session.words.get(other);
      if (!session.answered || session.instance?.up !== true || theirs === undefined) return;
      const offered = await session.tell(session.instance, party, false);
      if (offered.kind === 'ok') await session.tell(session.instance, other, true);
    });
  }

  async query(id: string): Promise<MediaReport | undefined> {
    const session = this.#sessions.get(id);
    return session?.inTurn(() => session.fetch(this.#options.clock.monotonicMs())).then(() => session.report);
  }

  async release(id: string): Promise<MediaReport | undefined> {
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    this.#sessions.delete(id);
    session.released = true;
    return session.inTurn(async () => {
      if (session.instance?.up === true) {
        await session.fetch(this.#options.clock.monotonicMs());
        await session.delete(session.instance);
      }
      session.leave();
      return session.report;
    });
  }

  #exchange(session: Session, exchange: MediaExchange, answer: boolean): Promise<MediaResult> {
    const { from, sender, receiver } = exchange;
    // The bytes are part of a message that is gone when its turn comes.
    const sdp = Uint8Array.from(exchange.sdp);
    const read = readDescription(sdp, sender, this.#sdpLimits);
    if ('kind' in read) return Promise.resolve(read);
    return session.inTurn(async () => {
      if (session.released) return refused('unavailable');
      session.words.set(from, { sdp, style: styleOf(read), held: isHeld(read), peer: sender });
      const outcome = answer
        ? await session.tell(session.instance, from, true, receiver)
        : await this.#place(session, from, receiver);
      if (outcome.kind !== 'ok') {
        if (session.instance === undefined) this.#sessions.delete(session.id);
        return refused(outcome.kind === 'refused' ? outcome.fault : 'unavailable');
      }
      const rewritten = outcome.body.get('sdp');
      if (typeof rewritten !== 'string') return refused('unavailable');
      if (answer) session.answered = true;
      session.activeMs = this.#options.clock.monotonicMs();
      return { kind: 'anchored', sdp: Buffer.from(rewritten, 'latin1') };
    });
  }

  /** An offer goes where the call is; a new call, and one whose instance is gone, to one that takes it. */
  async #place(session: Session, from: MediaParty, receiver: MediaPeer): Promise<NgOutcome> {
    let last: NgOutcome = { kind: 'silent' };
    let fellSilent = 0;
    if (session.instance?.up === true) {
      last = await session.tell(session.instance, from, false, receiver);
      if (last.kind === 'ok' || last.kind === 'refused') return last;
    }
    session.leave();
    const others = this.#instances.filter(({ up }) => up).toSorted((a, b) => a.sessions - b.sessions);
    for (const instance of others) {
      last = await session.tell(instance, from, false, receiver);
      if (last.kind === 'ok') {
        session.join(instance);
        return last;
      }
      if (last.kind === 'refused' && last.fault === 'unacceptable') return last;
      if (last.kind !== 'silent') continue;
      // Nobody knows whether it took ports before it fell silent.
      void session.delete(instance);
      // What makes two of them fall silent is not shown to a third.
      if (++fellSilent === 2) return last;
    }
    return last;
  }

  #sweepLater(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.setTimer(this.#options.limits.queryIntervalMs, () => {
      void this.#sweep().then(() => this.#sweepLater());
    });
  }

  /** One call after the other, so that many calls do not ask all at once. */
  async #sweep(): Promise<void> {
    const lost: string[] = [];
    for (const session of [...this.#sessions.values()]) {
      if (this.#closed) return;
      const { instance } = session;
      if (session.released || instance === undefined) continue;
      if (!instance.up) {
        if (instance.downForMs >= this.#options.limits.lostMs) lost.push(session.id);
        continue;
      }
      const { kind } = await session.inTurn(() => session.fetch(this.#options.clock.monotonicMs()));
      if (session.released) continue;
      if (kind === 'gone') lost.push(session.id);
      else if (kind === 'ok' && this.#isSilent(session)) {
        const report = (await this.release(session.id)) ?? { streams: [] };
        this.#events?.onSilent(session.id, report);
      }
    }
    for (const id of lost) await this.release(id);
    if (lost.length > 0) this.#events?.onLost(lost);
  }

  #isSilent(session: Session): boolean {
    const { clock, silenceMs, holdMs } = this.#options;
    return clock.monotonicMs() - session.activeMs >= (session.held ? holdMs : silenceMs);
  }
}

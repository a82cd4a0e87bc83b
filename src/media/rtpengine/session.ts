import type { MediaParty, MediaPeer, MediaReport } from '../engine.ts';
import { directionOf, type SessionDescription } from '../sdp/index.ts';
import { callReport } from './call-report.ts';
import { exchangeParameters, likelyStyle, type MediaStyle } from './exchange-parameters.ts';
import type { Instance, NgOutcome } from './instance.ts';

/** What a party has said last. */
export interface PartyWords {
  readonly sdp: Uint8Array;
  readonly style: MediaStyle;
  readonly held: boolean;
  readonly peer: MediaPeer;
}

/** The media of one branch of a call, at the instance that carries it. */
export class Session {
  readonly id: string;
  readonly words: Map<MediaParty, PartyWords> = new Map();
  instance: Instance | undefined;
  answered = false;
  /** The newest counters that were fetched. */
  report: MediaReport | undefined;
  /** When the counters last rose, on the monotonic clock. */
  activeMs: number;
  released = false;
  readonly #flags: readonly string[];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(id: string, flags: readonly string[], nowMs: number) {
    this.id = id;
    this.#flags = flags;
    this.activeMs = nowMs;
  }

  /** One command after the other: a release must not overtake the offer that takes the ports. */
  inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  get held(): boolean {
    return [...this.words.values()].some(({ held }) => held);
  }

  join(instance: Instance): void {
    this.instance = instance;
    instance.sessions++;
  }

  /** From now on as if the call had not begun. */
  leave(): void {
    if (this.instance === undefined) return;
    this.instance.sessions--;
    this.instance = undefined;
    this.answered = false;
  }

  /** Tells an instance what a party has said last; `receiver` is as it was known when there is none. */
  tell(
    instance: Instance | undefined,
    from: MediaParty,
    answer: boolean,
    receiver?: MediaPeer,
  ): Promise<NgOutcome> {
    const words = this.words.get(from);
    const theirs = this.words.get(from === 'caller' ? 'callee' : 'caller');
    const reached = receiver ?? theirs?.peer;
    if (instance === undefined || words === undefined || reached === undefined)
      return Promise.resolve({ kind: 'silent' });
    const parameters = exchangeParameters({
      session: this.id,
      from,
      answer,
      established: this.answered,
      sdp: words.sdp,
      sender: words.peer,
      receiver: reached,
      senderStyle: words.style,
      receiverStyle: theirs?.style ?? likelyStyle(reached),
      flags: this.#flags,
    });
    return instance.ask(answer ? 'answer' : 'offer', parameters);
  }

  delete(instance: Instance): Promise<NgOutcome> {
    return instance.ask('delete', { 'call-id': this.id, 'from-tag': 'caller', 'delete delay': 0 });
  }

  /** The newest counters; `report` keeps the last ones when there are none. */
  async fetch(nowMs: number): Promise<NgOutcome> {
    if (this.instance === undefined) return { kind: 'gone' };
    const outcome = await this.instance.ask('query', { 'call-id': this.id });
    if (outcome.kind !== 'ok') return outcome;
    const report = callReport(outcome.body);
    if (this.report === undefined || packetsIn(report) !== packetsIn(this.report)) this.activeMs = nowMs;
    this.report = report;
    return outcome;
  }
}

/** RFC 3264 §8.4: no stream of it flows both ways. */
export function isHeld(description: SessionDescription): boolean {
  return description.media.every(
    (section) => section.port === 0 || directionOf(description, section) !== 'sendrecv',
  );
}

function packetsIn({ streams }: MediaReport): number {
  return streams.reduce((sum, { packets }) => sum + packets, 0);
}

import type { MediaParty, MediaPeer, MediaReport } from '../engine.ts';
import { directionOf, type SessionDescription } from '../sdp/index.ts';
import type { MediaStyle } from './exchange-parameters.ts';
import type { Instance } from './instance.ts';

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
  #turn: Promise<unknown> = Promise.resolve();

  constructor(id: string, nowMs: number) {
    this.id = id;
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

  update(report: MediaReport, nowMs: number): void {
    if (this.report === undefined || packetsIn(report) !== packetsIn(this.report)) this.activeMs = nowMs;
    this.report = report;
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

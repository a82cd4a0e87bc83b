import type { MediaParty, StreamReport } from '../engine.ts';
import type { PortPool } from './port-pool.ts';
import type { ExchangeOrder, LearnedSource, PortPair, StreamSetup } from './protocol.ts';
import { RelayStream, type StreamSettings } from './relay-stream.ts';

/** Pairs that are tried before there are taken to be none: others on this machine may have some of the range. */
const maxTries = 64;

export interface RelaySessionOptions {
  readonly pool: PortPool;
  readonly settings: StreamSettings;
  readonly onLearned: (learned: LearnedSource) => void;
}

/** The media of one branch of one call. */
export class RelaySession {
  readonly #options: RelaySessionOptions;
  readonly #streams = new Map<number, RelayStream>();
  /** Where each party's ports are bound. */
  readonly #bound: Partial<Record<MediaParty, string>> = {};
  /** When both parties had described what they do; monotonic. Until then nobody waits for media. */
  #answeredAtMs: number | undefined;

  constructor(options: RelaySessionOptions) {
    this.#options = options;
  }

  /** The ports for the receiver of a description, by m-line; undefined when there are none left. */
  async exchange(order: ExchangeOrder): Promise<(PortPair | undefined)[] | undefined> {
    const { from, answer, observed, sendAhead, bind, streams, ports: wanted } = order;
    const towards: MediaParty = from === 'caller' ? 'callee' : 'caller';
    const moved = this.#bound[towards] !== undefined && this.#bound[towards] !== bind;
    this.#bound[towards] = bind;
    const ports: (PortPair | undefined)[] = [];
    for (const setup of streams) {
      const stream = this.#streamFor(setup);
      stream.describe(from, setup, observed, sendAhead);
      if (moved) this.#giveBack(stream, towards);
      if (stream.portOf(towards) === undefined && !(await this.#open(stream, towards, bind, wanted)))
        return undefined;
      ports[setup.index] = stream.ports(towards);
    }
    if (answer) this.#answeredAtMs ??= performance.now();
    return ports;
  }

  reauthorize(party: MediaParty, observed: string): void {
    for (const stream of this.#streams.values()) stream.reauthorize(party, observed);
  }

  restore(sources: readonly LearnedSource[]): void {
    for (const learned of sources) this.#streams.get(learned.index)?.restore(learned);
  }

  /** Whether nothing has come for too long. */
  isSilent(nowMs: number, silenceMs: number, holdMs: number): boolean {
    if (this.#answeredAtMs === undefined) return false;
    const streams = [...this.#streams.values()];
    const limitMs = streams.some((stream) => stream.held) ? holdMs : silenceMs;
    const lastAtMs = Math.max(this.#answeredAtMs, ...streams.map((stream) => stream.lastAtMs));
    return nowMs - lastAtMs > limitMs;
  }

  report(): StreamReport[] {
    return [...this.#streams.values()].flatMap((stream) => stream.report());
  }

  close(): void {
    for (const stream of this.#streams.values()) {
      this.#giveBack(stream, 'caller');
      this.#giveBack(stream, 'callee');
    }
  }

  #streamFor(setup: StreamSetup): RelayStream {
    const known = this.#streams.get(setup.index);
    if (known !== undefined) return known;
    const { settings, onLearned } = this.#options;
    const stream = new RelayStream(setup, settings, onLearned);
    this.#streams.set(setup.index, stream);
    return stream;
  }

  async #open(
    stream: RelayStream,
    party: MediaParty,
    bind: string,
    wanted: ExchangeOrder['ports'],
  ): Promise<boolean> {
    const { pool } = this.#options;
    const told = wanted?.[stream.index]?.rtp;
    if (told !== undefined) return pool.takeThis(told) && (await this.#tryOpen(stream, party, bind, told));
    for (let tries = 0; tries < maxTries; tries++) {
      const port = pool.take();
      if (port === undefined) return false;
      if (await this.#tryOpen(stream, party, bind, port)) return true;
    }
    return false;
  }

  async #tryOpen(stream: RelayStream, party: MediaParty, bind: string, port: number): Promise<boolean> {
    try {
      await stream.open(party, bind, port);
      return true;
    } catch {
      this.#options.pool.give(port);
      return false;
    }
  }

  #giveBack(stream: RelayStream, party: MediaParty): void {
    const port = stream.close(party);
    if (port !== undefined) this.#options.pool.give(port);
  }
}

import { Worker } from 'node:worker_threads';
import type { Clock, Logger, Timer } from '../../base/index.ts';
import type { StreamReport } from '../engine.ts';
import type {
  ExchangeOrder,
  LearnedSource,
  PortPair,
  RelayNotice,
  RelayOrder,
  RelaySettings,
} from './protocol.ts';

/** A thread that ended sooner than this after its start is not started again at once. */
const soundMs = 5_000;
const restartDelayMs = 1_000;

export interface RelayThreadOptions {
  readonly settings: RelaySettings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly answerTimeoutMs: number;
  readonly startWorker?: (settings: RelaySettings) => Worker;
  /** A new thread, which knows of nothing, runs; also the first one. */
  readonly onStarted: () => void;
  readonly onLearned: (session: string, learned: LearnedSource) => void;
  readonly onSilent: (session: string, streams: readonly StreamReport[]) => void;
}

/** What came of an order. `gone`: the thread ended, or did not answer in time. */
export type Outcome =
  | { readonly kind: 'ports'; readonly ports: readonly (PortPair | undefined)[] }
  | { readonly kind: 'report'; readonly streams: readonly StreamReport[] | undefined }
  | { readonly kind: 'exhausted' }
  | { readonly kind: 'gone' };

interface Pending {
  readonly resolve: (outcome: Outcome) => void;
  readonly timer: Timer;
}

/** The relay's thread as seen from outside: orders that are answered, and a new thread when one ends. */
export class RelayThread {
  readonly #options: RelayThreadOptions;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #pairs = 0;
  #orders = 0;
  #startedAtMs = 0;
  #restart: Timer | undefined;
  #closed = false;

  constructor(options: RelayThreadOptions) {
    this.#options = options;
  }

  get up(): boolean {
    return this.#pairs > 0;
  }

  /** Pairs of ports in the range. */
  get pairs(): number {
    return this.#pairs;
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => this.#start(resolve, reject));
  }

  exchange(order: Omit<ExchangeOrder, 'kind' | 'order'>): Promise<Outcome> {
    return this.#ask((number) => ({ kind: 'exchange', order: number, ...order }));
  }

  ask(kind: 'query' | 'release', session: string): Promise<Outcome> {
    return this.#ask((order) => ({ kind, order, session }));
  }

  tell(order: Extract<RelayOrder, { kind: 'reauthorize' | 'restore' }>): void {
    this.#worker?.postMessage(order);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#restart?.cancel();
    const worker = this.#worker;
    this.#ended();
    await worker?.terminate();
  }

  #start(onReady: () => void, onFailed: (error: Error) => void): void {
    const { settings, clock, startWorker = startRelayWorker } = this.#options;
    this.#startedAtMs = clock.monotonicMs();
    const worker = startWorker(settings);
    this.#worker = worker;
    let failure = new Error('the media relay ended');
    worker.on('error', (error) => {
      failure = error instanceof Error ? error : new Error(String(error));
    });
    worker.on('exit', () => {
      onFailed(failure);
      if (this.#worker === worker && !this.#closed) this.#startAgain(failure);
    });
    worker.on('message', (notice: RelayNotice) => {
      if (this.#worker !== worker) return;
      if (notice.kind !== 'ready') this.#receive(notice);
      else {
        this.#pairs = notice.pairs;
        this.#options.onStarted();
        onReady();
      }
    });
  }

  #startAgain(error: Error): void {
    const { clock, logger } = this.#options;
    this.#ended();
    const delayMs = clock.monotonicMs() - this.#startedAtMs < soundMs ? restartDelayMs : 0;
    logger.error({ error, delayMs }, 'the media relay ended and is started anew');
    this.#restart = clock.setTimer(delayMs, () =>
      this.#start(
        () => {},
        () => {},
      ),
    );
  }

  #ended(): void {
    this.#worker = undefined;
    this.#pairs = 0;
    for (const order of [...this.#pending.keys()]) this.#settle(order, { kind: 'gone' });
  }

  #ask(make: (order: number) => RelayOrder): Promise<Outcome> {
    const worker = this.#worker;
    if (worker === undefined) return Promise.resolve({ kind: 'gone' });
    const { clock, answerTimeoutMs } = this.#options;
    const order = ++this.#orders;
    return new Promise((resolve) => {
      const timer = clock.setTimer(answerTimeoutMs, () => this.#settle(order, { kind: 'gone' }));
      this.#pending.set(order, { resolve, timer });
      worker.postMessage(make(order));
    });
  }

  #receive(notice: Exclude<RelayNotice, { kind: 'ready' }>): void {
    switch (notice.kind) {
      case 'learned':
        this.#options.onLearned(notice.session, notice.learned);
        break;
      case 'silent':
        this.#options.onSilent(notice.session, notice.streams);
        break;
      case 'ports':
      case 'report':
      case 'exhausted':
        this.#settle(notice.order, notice);
    }
  }

  #settle(order: number, outcome: Outcome): void {
    const pending = this.#pending.get(order);
    if (pending === undefined) return;
    this.#pending.delete(order);
    pending.timer.cancel();
    pending.resolve(outcome);
  }
}

/** Beside this file, whether it runs as it was written or as it was built. */
export function startRelayWorker(settings: RelaySettings): Worker {
  const file = import.meta.filename.endsWith('.ts') ? './relay-worker.ts' : './relay-worker.js';
  return new Worker(new URL(file, import.meta.url), { workerData: settings });
}

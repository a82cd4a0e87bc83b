import type { Clock, Timer } from '../../base/index.ts';

export interface LoadLimits {
  /** How often the lag of the event loop is measured. */
  readonly sampleMs: number;
  /** Lag above which new calls are shed: what waits in the sockets waits that long. */
  readonly maxLagMs: number;
}

/** Samples whose smallest lag counts: one pause for garbage or a slow disk is no overload. */
const windowSamples = 5;
/** What the shed share changes by at each sample: up within a second, down within two. */
const rise = 0.1;
const fall = 0.05;

/**
 * Measures by how much a timer comes late: as long as everything that arrived before it took. A UDP socket's queue
 * is bounded by its buffer; connections are bounded only by shedding.
 */
export class LoadMonitor {
  readonly #clock: Clock;
  readonly #limits: LoadLimits;
  readonly #recent: number[] = [];
  #timer: Timer | undefined;
  #dueMs = 0;
  #lagMs = 0;
  #shed = 0;

  constructor(clock: Clock, limits: LoadLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** The smallest lag of the last samples. */
  get lagMs(): number {
    return this.#lagMs;
  }

  /** The share of new work to shed, 0 to 1. */
  get shed(): number {
    return this.#shed;
  }

  start(): void {
    this.#arm();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Takes one measurement; public for those who measure a queue of their own. */
  observe(lagMs: number): void {
    this.#recent.push(lagMs);
    if (this.#recent.length > windowSamples) this.#recent.shift();
    this.#lagMs = this.#recent.length < windowSamples ? 0 : Math.min(...this.#recent);
    const overloaded = this.#lagMs > this.#limits.maxLagMs;
    this.#shed = overloaded ? Math.min(1, this.#shed + rise) : Math.max(0, this.#shed - fall);
  }

  #arm(): void {
    this.#dueMs = this.#clock.monotonicMs() + this.#limits.sampleMs;
    this.#timer = this.#clock.setTimer(this.#limits.sampleMs, this.#sample);
  }

  readonly #sample = (): void => {
    this.observe(Math.max(0, this.#clock.monotonicMs() - this.#dueMs));
    this.#arm();
  };
}

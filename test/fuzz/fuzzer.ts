import { BlockCoverage } from './block-coverage.ts';
import { type Dice, mutated } from './mutation.ts';
import type { FuzzTarget } from './targets.ts';

/** Looking at the coverage costs as much as some dozens of runs. */
const batchSize = 64;
/** Small inputs take micro- to milliseconds: this is a loop that grows with the square of its input, or worse. */
const slowMs = 1_000;

export interface Crash {
  readonly bytes: Uint8Array;
  readonly error: unknown;
}

export interface FuzzerOptions {
  readonly target: FuzzTarget;
  readonly corpus: readonly Uint8Array[];
  readonly dice: Dice;
}

/** Changes inputs that reached something new until nothing new is reached. */
export class Fuzzer {
  readonly crashes: Crash[] = [];
  /** Inputs that reached something new, in the order in which they were found. */
  readonly found: Uint8Array[] = [];
  runs = 0;
  readonly #options: FuzzerOptions;
  readonly #coverage = new BlockCoverage();
  readonly #pool: Uint8Array[] = [];
  readonly #faults = new Set<string>();

  constructor(options: FuzzerOptions) {
    this.#options = options;
  }

  get covered(): number {
    return this.#coverage.size;
  }

  run(durationMs: number): void {
    const deadline = performance.now() + durationMs;
    this.#coverage.start();
    for (const bytes of [...this.#options.corpus, new Uint8Array(0)]) {
      this.#try(bytes);
      this.#pool.push(bytes);
    }
    this.#coverage.learn();
    while (performance.now() < deadline) this.#runBatch();
    this.#coverage.stop();
  }

  #runBatch(): void {
    const { dice } = this.#options;
    const batch = Array.from({ length: batchSize }, () => mutated(this.#pick(), this.#pick(), dice));
    for (const bytes of batch) this.#try(bytes);
    if (!this.#coverage.hasNews()) return;
    // Which of them it was shows when each runs alone.
    for (const bytes of batch) {
      this.#try(bytes);
      if (!this.#coverage.learn()) continue;
      this.#pool.push(bytes);
      this.found.push(bytes);
    }
  }

  /** One of all, or one of the newest, which have been changed least. */
  #pick(): Uint8Array {
    const { dice } = this.#options;
    const among = dice(3) === 0 ? Math.min(16, this.#pool.length) : this.#pool.length;
    return this.#pool[this.#pool.length - 1 - dice(among)] ?? new Uint8Array(0);
  }

  #try(bytes: Uint8Array): void {
    this.runs++;
    const fault = faultOf(this.#options.target, bytes);
    if (fault === undefined || this.#faults.has(fault.key)) return;
    this.#faults.add(fault.key);
    this.crashes.push({ bytes: this.#shortened(bytes, fault.key), error: fault.error });
  }

  /** The shortest input found by leaving pieces out that has the same fault. */
  #shortened(bytes: Uint8Array, key: string): Uint8Array {
    let shortest = Buffer.from(bytes);
    for (let piece = bytes.length >> 1; piece > 0; piece >>= 1) {
      for (let at = 0; at + piece <= shortest.length; ) {
        const shorter = Buffer.concat([shortest.subarray(0, at), shortest.subarray(at + piece)]);
        if (faultOf(this.#options.target, shorter)?.key === key) shortest = shorter;
        else at += piece;
      }
    }
    return shortest;
  }
}

/** Faults with the same key are taken for the same one. */
function faultOf(target: FuzzTarget, bytes: Uint8Array): { key: string; error: unknown } | undefined {
  const startedMs = performance.now();
  try {
    target(bytes);
  } catch (error) {
    return { key: error instanceof Error ? `${error.name} ${placeOf(error)}` : String(error), error };
  }
  const ms = performance.now() - startedMs;
  return ms < slowMs ? undefined : { key: 'slow', error: new Error(`took ${Math.round(ms)} ms`) };
}

/** Where it was thrown, in our code. */
function placeOf({ stack = '' }: Error): string {
  return stack.split('\n').find((line) => line.includes('/src/') || line.includes('/targets.ts')) ?? '';
}

/** One change that waits for its transaction. */
interface Waiting {
  /** Runs within the transaction; what it throws, its caller gets, and nobody else. */
  readonly work: () => unknown;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

type Outcome = { readonly result: unknown } | { readonly error: unknown };

/**
 * Collects changes while a transaction is on its way and makes the next one of all of them. Alone a change waits for
 * nobody; once two have come together, up to `lingerMs` go by between two transactions, since under load a commit and
 * its sync cost more than the changes do. They run one after the other, in the order in which they came.
 */
export class WriteQueue {
  readonly #transact: (body: () => void) => Promise<unknown>;
  readonly #lingerMs: number;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #beganAtMs = Number.NEGATIVE_INFINITY;
  /** The last transaction was of several changes. */
  #crowded = false;

  /** `transact` runs `body` in a write transaction and answers once that is committed. */
  constructor(transact: (body: () => void) => Promise<unknown>, lingerMs: number) {
    this.#transact = transact;
    this.#lingerMs = lingerMs;
  }

  /** `work` must have written nothing when it throws. Answers once what it has written is committed. */
  add<Result>(work: () => Result): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ work, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Once nothing waits any more. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#pause();
      const batch = this.#waiting;
      this.#waiting = [];
      this.#crowded = batch.length > 1;
      this.#beganAtMs = performance.now();
      await this.#commit(batch);
    }
    this.#running = undefined;
  }

  #pause(): Promise<void> {
    const leftMs = this.#crowded ? this.#beganAtMs + this.#lingerMs - performance.now() : 0;
    return new Promise((resolve) => {
      if (leftMs > 0) setTimeout(resolve, leftMs);
      // Whoever else comes in this turn of the event loop goes along in any case.
      else setImmediate(resolve);
    });
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    let outcomes: Outcome[] = [];
    try {
      await this.#transact(() => {
        outcomes = batch.map(({ work }) => outcomeOf(work));
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
      return;
    }
    for (const [at, { resolve, reject }] of batch.entries()) {
      const outcome = outcomes[at];
      if (outcome !== undefined && 'result' in outcome) resolve(outcome.result as never);
      else reject(outcome?.error);
    }
  }
}

function outcomeOf(work: () => unknown): Outcome {
  try {
    return { result: work() };
  } catch (error) {
    return { error };
  }
}

import type { Database } from 'lmdb';

const mark = 'writer';

/**
 * Whether other processes write to the same LMDB directory: whoever begins a transaction signs, unless the signature is
 * its own. What a process has read stays true while nobody else has signed.
 */
export class ForeignWrites {
  readonly #marks: () => Database<string, string>;
  /** Of this process since the machine was started, and of no other object in it. */
  readonly #signature = `${process.pid}.${process.hrtime.bigint()}`;
  #count = 0;

  constructor(marks: () => Database<string, string>) {
    this.#marks = marks;
  }

  /** First of all in each transaction. */
  sign(): void {
    if (this.isLast) return;
    this.#count += 1;
    void this.#marks().put(mark, this.#signature);
  }

  /** Nobody else has written since this process did. */
  get isLast(): boolean {
    return this.#marks().get(mark) === this.#signature;
  }

  /** Rises with each change of hands; while somebody else was the last, each time that it is asked. */
  count(): number {
    if (!this.isLast) this.#count += 1;
    return this.#count;
  }
}

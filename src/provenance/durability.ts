import type { Logger } from '../base/index.ts';

export type SettledDurability = 'durable' | 'failed';

/** Whether a record has reached stable storage. Not a promise: the call path must not wait for a microtask. */
export interface Durability {
  readonly state: 'pending' | SettledDurability;
  /** Calls back once; at once if it is settled already. */
  whenSettled(callback: (state: SettledDurability) => void): void;
}

export class PendingDurability implements Durability {
  #state: 'pending' | SettledDurability = 'pending';
  #callbacks: ((state: SettledDurability) => void)[] | undefined;

  get state(): 'pending' | SettledDurability {
    return this.#state;
  }

  whenSettled(callback: (state: SettledDurability) => void): void {
    if (this.#state !== 'pending') callback(this.#state);
    else if (this.#callbacks) this.#callbacks.push(callback);
    else this.#callbacks = [callback];
  }

  /** A callback that throws must not keep the others from hearing. */
  settle(state: SettledDurability, logger: Logger): void {
    this.#state = state;
    const callbacks = this.#callbacks;
    this.#callbacks = undefined;
    for (const callback of callbacks ?? []) {
      try {
        callback(state);
      } catch (error) {
        logger.error({ error: String(error) }, 'a listener of a durable record failed');
      }
    }
  }
}

/** A timer that was set on a clock; cancelling one that has fired or was cancelled does nothing. */
export interface Timer {
  cancel(): void;
}

/** All of time that the product sees, so that tests can own it. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970-01-01T00:00:00Z; may jump. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number;
  /**
   * Calls back once after at least `delayMs`. A pending timer does not keep the process alive, unless it is `wanted`:
   * when something outside of the event loop's sight waits for it.
   */
  setTimer(delayMs: number, callback: () => void, wanted?: boolean): Timer;
}

class SystemTimer implements Timer {
  readonly #handle: NodeJS.Timeout;

  constructor(delayMs: number, callback: () => void, wanted: boolean) {
    this.#handle = setTimeout(callback, delayMs);
    if (!wanted) this.#handle.unref();
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, callback, wanted = false) => new SystemTimer(delayMs, callback, wanted),
};

/** Wall-clock seconds, as JWT, CWT and SIP Date count them. */
export function epochSeconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}

import type { Clock, Logger, Timer } from '../base/index.ts';

export interface LogHealthOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly healDelayMs: number;
  /** Makes the log writable again, or throws. */
  readonly repair: () => Promise<void>;
}

/** Whether records can be made durable. A failure is repaired by trying again until it succeeds. */
export class LogHealth {
  readonly #options: LogHealthOptions;
  #healthy = true;
  #timer: Timer | undefined;
  #repairing: Promise<void> = Promise.resolve();
  readonly #listeners: ((healthy: boolean) => void)[] = [];

  constructor(options: LogHealthOptions) {
    this.#options = options;
  }

  get healthy(): boolean {
    return this.#healthy;
  }

  /** Called at every change, after it has taken effect. */
  onChange(listener: (healthy: boolean) => void): void {
    this.#listeners.push(listener);
  }

  fail(error: unknown): void {
    if (this.#healthy) {
      this.#options.logger.error(
        { error: String(error) },
        'the audit log cannot write; new calls are refused',
      );
      this.#change(false);
    }
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#repairing;
  }

  #schedule(): void {
    const { clock, healDelayMs } = this.#options;
    this.#timer ??= clock.setTimer(healDelayMs, () => {
      this.#timer = undefined;
      this.#repairing = this.#tryRepair();
    });
  }

  async #tryRepair(): Promise<void> {
    try {
      await this.#options.repair();
    } catch {
      this.#schedule();
      return;
    }
    this.#options.logger.info({}, 'the audit log can write again');
    this.#change(true);
  }

  #change(healthy: boolean): void {
    this.#healthy = healthy;
    for (const listener of this.#listeners) listener(healthy);
  }
}

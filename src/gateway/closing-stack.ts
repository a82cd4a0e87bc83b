import type { Logger } from '../base/index.ts';

/** How to close what has been opened: the newest first, each part once, whatever the others do. */
export class ClosingStack {
  readonly #logger: Logger;
  readonly #closers: (() => Promise<void> | void)[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  opened(close: () => Promise<void> | void): void {
    this.#closers.unshift(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0)) {
      try {
        await close();
      } catch (error) {
        this.#logger.error({ error: String(error) }, 'a part of the gateway did not close cleanly');
      }
    }
  }
}

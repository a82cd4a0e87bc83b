import type { Logger } from '../base/index.ts';
import type { IdentityOverlay } from '../overlay/index.ts';
import type { Flow } from '../sip/index.ts';

export interface LostFlowsOptions {
  readonly overlay: Pick<IdentityOverlay, 'removeBindingsOfFlow'>;
  readonly logger: Logger;
}

/** When a network fails, thousands of flows end in one moment: calls and registrations must not wait behind them. */
const maxAtOnce = 64;

/**
 * Takes the bindings of closed connections out of the store, some at a time. Nothing is routed to them meanwhile, and of
 * a phone that has registered anew before its turn came there is nothing left to take.
 */
export class LostFlows {
  readonly #options: LostFlowsOptions;
  readonly #waiting = new Set<string>();
  readonly #removals = new Set<Promise<void>>();

  constructor(options: LostFlowsOptions) {
    this.#options = options;
  }

  onFlowClosed(flow: Flow): void {
    this.#waiting.add(flow.id);
    if (this.#removals.size >= maxAtOnce) return;
    const removal = this.#removeAll().finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  /** Resolves when what has begun is stored: the store must not close under it. */
  async settled(): Promise<void> {
    await Promise.all(this.#removals);
  }

  async #removeAll(): Promise<void> {
    const { overlay, logger } = this.#options;
    for (const id of this.#waiting) {
      this.#waiting.delete(id);
      await overlay.removeBindingsOfFlow(id).catch((error: unknown) => {
        logger.error({ flow: id, error: String(error) }, 'bindings of a closed flow remain');
      });
    }
  }
}

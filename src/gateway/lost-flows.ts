import type { Logger } from '../base/index.ts';
import type { IdentityOverlay } from '../overlay/index.ts';
import type { Flow } from '../sip/index.ts';

export interface LostFlowsOptions {
  readonly overlay: IdentityOverlay;
  readonly logger: Logger;
}

/** Takes the bindings of closed connections out of routing. */
export class LostFlows {
  readonly #options: LostFlowsOptions;
  readonly #removals = new Set<Promise<unknown>>();

  constructor(options: LostFlowsOptions) {
    this.#options = options;
  }

  onFlowClosed(flow: Flow): void {
    const { overlay, logger } = this.#options;
    const removal = overlay
      .removeBindingsOfFlow(flow.id)
      .catch((error: unknown) =>
        logger.error({ flow: flow.id, error: String(error) }, 'bindings of a closed flow remain'),
      )
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  /** Resolves when what has begun is stored: the store must not close under it. */
  async settled(): Promise<void> {
    await Promise.all(this.#removals);
  }
}

import type { Clock, Logger, Timer } from '../base/index.ts';
import type { IdentityOverlay } from '../overlay/index.ts';
import type { Flow } from '../sip/index.ts';

export interface LostFlowsOptions {
  readonly overlay: Pick<IdentityOverlay, 'removeBindingsOfFlow'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** When a network fails, thousands of flows end in one moment: calls, and phones that come back, go first. */
const maxAtOnce = 64;
const pauseMs = 100;

/**
 * Takes the bindings of closed connections out of the store, the first at once, many in steps. Nothing is routed to them
 * meanwhile, and of a phone that has registered anew before its turn came there is nothing left to take.
 */
export class LostFlows {
  readonly #options: LostFlowsOptions;
  #waiting: string[] = [];
  #begunInStep = 0;
  #pause: Timer | undefined;
  readonly #removals = new Set<Promise<unknown>>();

  constructor(options: LostFlowsOptions) {
    this.#options = options;
  }

  onFlowClosed(flow: Flow): void {
    this.#pause ??= this.#options.clock.setTimer(pauseMs, this.#nextStep);
    if (this.#begunInStep >= maxAtOnce) this.#waiting.push(flow.id);
    else this.#remove(flow.id);
  }

  /** Takes out the rest; resolves when it is stored: the store must not close under it. */
  async settled(): Promise<void> {
    this.#pause?.cancel();
    for (;;) {
      await Promise.all(this.#removals);
      if (this.#waiting.length === 0) return;
      this.#removeSome();
    }
  }

  readonly #nextStep = (): void => {
    this.#begunInStep = 0;
    this.#removeSome();
    this.#pause = this.#begunInStep === 0 ? undefined : this.#options.clock.setTimer(pauseMs, this.#nextStep);
  };

  #removeSome(): void {
    const due = this.#waiting.slice(0, maxAtOnce);
    this.#waiting = this.#waiting.slice(maxAtOnce);
    for (const id of due) this.#remove(id);
  }

  #remove(flowId: string): void {
    this.#begunInStep++;
    const { overlay, logger } = this.#options;
    const removal = overlay
      .removeBindingsOfFlow(flowId)
      .catch((error: unknown) =>
        logger.error({ flow: flowId, error: String(error) }, 'bindings of a closed flow remain'),
      )
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }
}

import { type Clock, type Logger, Turns } from '../base/index.ts';
import type { IdentityOverlay } from '../overlay/index.ts';
import type { Flow } from '../sip/index.ts';

export interface LostFlowsOptions {
  readonly overlay: Pick<IdentityOverlay, 'removeBindingsOfFlow'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Most of the phones that a failing network cuts off are back before it is their turn. */
const pace = { maxAtOnce: 64, maxMs: 5, pauseMs: 100 } as const;

/**
 * Takes the bindings of closed connections out of the store, the first at once, many in steps. Nothing is routed to them
 * meanwhile, and of a phone that has registered anew before its turn came there is nothing left to take.
 */
export class LostFlows {
  readonly #options: LostFlowsOptions;
  readonly #turns: Turns;

  constructor(options: LostFlowsOptions) {
    this.#options = options;
    this.#turns = new Turns({ clock: options.clock, ...pace });
  }

  onFlowClosed({ id }: Flow): void {
    const { overlay, logger } = this.#options;
    this.#turns.add(() =>
      overlay
        .removeBindingsOfFlow(id)
        .then(ignore, (error: unknown) =>
          logger.error({ flow: id, error: String(error) }, 'bindings of a closed flow remain'),
        ),
    );
  }

  /** Takes out the rest; resolves when it is stored: the store must not close under it. */
  async settled(): Promise<void> {
    await this.#turns.settled();
  }
}

const ignore = (): void => {};

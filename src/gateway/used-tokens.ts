import { encodeBase64Url } from '../base/index.ts';
import { type Eventual, type IdentityOverlay, OverlayError } from '../overlay/index.ts';
import type { SingleUse } from './single-use.ts';

/** `unsure`: the gateways' common memory cannot be reached. */
export type Use = 'first' | 'again' | 'unsure';

export interface UsedTokensOptions {
  readonly own: SingleUse;
  readonly shared: Pick<IdentityOverlay, 'claimOnce'>;
  /** Longer than any token stays fresh. */
  readonly windowMs: number;
}

/**
 * Single use of tokens at all gateways of one store. This gateway's own memory is asked first, so that a flood of
 * replays costs the store one question.
 */
export class UsedTokens {
  readonly #options: UsedTokensOptions;

  constructor(options: UsedTokensOptions) {
    this.#options = options;
  }

  /** Whether an id (32 bytes) is used for the first time, at once where no store is shared. */
  use(id: Uint8Array, nowMs: number): Eventual<Use> {
    if (!this.#options.own.use(id, nowMs)) return 'again';
    const { shared, windowMs } = this.#options;
    try {
      const claimed = shared.claimOnce(encodeBase64Url(id), windowMs);
      return claimed instanceof Promise ? claimed.then(useOf, orUnsure) : useOf(claimed);
    } catch (error) {
      return orUnsure(error);
    }
  }

  /** The same for what no other gateway would take: a token over a nonce of this one. */
  useHere(id: Uint8Array, nowMs: number): Use {
    return useOf(this.#options.own.use(id, nowMs));
  }
}

function useOf(first: boolean): Use {
  return first ? 'first' : 'again';
}

function orUnsure(error: unknown): Use {
  if (error instanceof OverlayError && error.code === 'store-unavailable') return 'unsure';
  throw error;
}

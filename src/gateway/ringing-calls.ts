import { type Logger, TransientMap } from '../base/index.ts';
import type { ForwardedRequest } from '../sip/index.ts';
import type { BindingChoice, Reachability } from './reachability.ts';

export interface RingingCallsOptions {
  readonly reachability: Reachability;
  readonly logger: Logger;
}

/** A call on its way to an identity; the object is its own key. */
export interface RingingCall {
  readonly fingerprint: string;
  readonly forwarded: ForwardedRequest;
  /** Set when only one phone of the identity is meant. */
  readonly chooses: BindingChoice | undefined;
}

/** The calls that wait for an answer, by callee: a phone that registers meanwhile gets them too (late fork). */
export class RingingCalls {
  readonly #options: RingingCallsOptions;
  readonly #byCallee = new TransientMap<RingingCall[]>();

  constructor(options: RingingCallsOptions) {
    this.#options = options;
  }

  add(call: RingingCall): void {
    const present = this.#byCallee.get(call.fingerprint);
    if (present === undefined) this.#byCallee.set(call.fingerprint, [call]);
    else present.push(call);
  }

  remove(call: RingingCall): void {
    const present = this.#byCallee.get(call.fingerprint);
    const at = present?.indexOf(call) ?? -1;
    if (present === undefined || at < 0) return;
    if (present.length === 1) this.#byCallee.delete(call.fingerprint);
    else present.splice(at, 1);
  }

  /** An identity has registered: where its phones are now, they ring, unless they do already. */
  reachableAgain(fingerprint: string): void {
    for (const call of [...(this.#byCallee.get(fingerprint) ?? [])])
      this.#join(call).catch((error: unknown) =>
        this.#options.logger.error({ error: String(error) }, 'a phone that has registered was not called'),
      );
  }

  async #join({ fingerprint, forwarded, chooses }: RingingCall): Promise<void> {
    for (const target of await this.#options.reachability.targets(fingerprint, chooses))
      forwarded.addTarget(target);
  }
}

import { hkdfSync } from 'node:crypto';
import type { Clock, Timer } from '../base/index.ts';
import { type FlowTokenKey, FlowTokens } from '../sip/index.ts';
import type { NodeKeys } from './node-keys.ts';
import type { Surroundings } from './parts.ts';

const day = 86_400_000;
/** How long a key mints. */
const leastLifetimeMs = 7 * day;
const checkIntervalMs = 3_600_000;

/** A key mints for a week, or for as long as the longest call; what it minted opens for as long again. */
export function flowTokenKeyLifetimeMs(maxCallDurationMs: number): number {
  return Math.max(leastLifetimeMs, maxCallDurationMs);
}

/** The key of now and the one before it, derived from the secret in `keys/flows.json`: nothing else has to be kept. */
export function flowTokenKeys(
  secret: Uint8Array,
  nowMs: number,
  lifetimeMs: number,
): readonly FlowTokenKey[] {
  const period = Math.floor(nowMs / lifetimeMs);
  return [period, period - 1].map((at) => ({
    id: ((at % 256) + 256) % 256,
    secret: new Uint8Array(hkdfSync('sha256', secret, '', `tibet-sip flow tokens ${lifetimeMs} ${at}`, 32)),
  }));
}

export interface FlowTokenRotationOptions {
  readonly tokens: Pick<FlowTokens, 'rekey'>;
  readonly secret: Uint8Array;
  readonly lifetimeMs: number;
  readonly clock: Clock;
}

/** Changes the keys under the flow tokens of a gateway that runs for long. */
export class FlowTokenRotation {
  readonly #options: FlowTokenRotationOptions;
  #period: number;
  #timer: Timer | undefined;

  constructor(options: FlowTokenRotationOptions) {
    this.#options = options;
    this.#period = this.#periodNow();
    this.#checkLater();
  }

  close(): void {
    this.#timer?.cancel();
  }

  #checkLater(): void {
    this.#timer = this.#options.clock.setTimer(checkIntervalMs, () => {
      const { tokens, secret, lifetimeMs, clock } = this.#options;
      const period = this.#periodNow();
      if (period !== this.#period) tokens.rekey(flowTokenKeys(secret, clock.now(), lifetimeMs));
      this.#period = period;
      this.#checkLater();
    });
  }

  #periodNow(): number {
    return Math.floor(this.#options.clock.now() / this.#options.lifetimeMs);
  }
}

/** Flow tokens of a node, under keys that change by themselves until the gateway closes. */
export function openFlowTokens(
  { config, clock, random, closing }: Surroundings,
  { flows: { seed: secret } }: NodeKeys,
  node: string,
): FlowTokens {
  const lifetimeMs = flowTokenKeyLifetimeMs(config.calls.maxDurationMs);
  const tokens = new FlowTokens({
    keys: flowTokenKeys(secret, clock.now(), lifetimeMs),
    node: node.slice(0, 8),
    random,
  });
  const rotation = new FlowTokenRotation({ tokens, secret, lifetimeMs, clock });
  closing.opened(() => rotation.close());
  return tokens;
}

import type { UdpFlow } from './udp-flow.ts';

/**
 * A bounded map of flows that forgets those not used for longest. Two generations instead of a list: a look-up in
 * the young one, the usual case, moves nothing.
 */
export class UdpFlowTable {
  readonly #generationSize: number;
  #young = new Map<string, UdpFlow>();
  #old = new Map<string, UdpFlow>();

  constructor(maxFlows: number) {
    this.#generationSize = Math.max(1, Math.floor(maxFlows / 2));
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: string): UdpFlow | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) {
      this.#old.delete(key);
      this.set(key, old);
    }
    return old;
  }

  set(key: string, flow: UdpFlow): void {
    if (this.#young.size >= this.#generationSize) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, flow);
  }

  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}

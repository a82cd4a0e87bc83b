import type { Endpoint } from './flow.ts';
import type { UdpFlow } from './udp-flow.ts';

/** Flows that are found without a look-up, by their port; a power of two. */
const recentSlots = 1_024;

/**
 * A bounded map of flows that forgets those not used for longest. Two generations instead of a list: a look-up in
 * the young one moves nothing. Before both stands the newest flow of each port, modulo: whoever sends one message
 * mostly sends another, and to compare two fields costs a tenth of making a key of them (`bench/calls.ts`).
 */
export class UdpFlowTable {
  readonly #generationSize: number;
  readonly #recent: (UdpFlow | undefined)[] = new Array<UdpFlow | undefined>(recentSlots).fill(undefined);
  #young = new Map<string, UdpFlow>();
  #old = new Map<string, UdpFlow>();

  constructor(maxFlows: number) {
    this.#generationSize = Math.max(1, Math.floor(maxFlows / 2));
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(address: string, port: number): UdpFlow | undefined {
    const recent = this.#recent[port % recentSlots];
    if (recent !== undefined && recent.remote.port === port && recent.remote.address === address)
      return recent;
    const key = keyOf({ address, port });
    const found = this.#young.get(key) ?? this.#old.get(key);
    if (found !== undefined) this.#use(found);
    return found;
  }

  add(flow: UdpFlow): void {
    this.#keep(flow);
    this.#use(flow);
  }

  delete(remote: Endpoint): void {
    const key = keyOf(remote);
    this.#young.delete(key);
    this.#old.delete(key);
    this.#recent[remote.port % recentSlots] = undefined;
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
    this.#recent.fill(undefined);
  }

  /** What has to make way was used, perhaps many times, since it was last counted as young. */
  #use(flow: UdpFlow): void {
    const slot = flow.remote.port % recentSlots;
    const before = this.#recent[slot];
    this.#recent[slot] = flow;
    if (before !== undefined && before !== flow) this.#keep(before);
  }

  #keep(flow: UdpFlow): void {
    const key = keyOf(flow.remote);
    if (this.#young.has(key)) return;
    this.#old.delete(key);
    if (this.#young.size >= this.#generationSize) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, flow);
  }
}

function keyOf({ address, port }: Endpoint): string {
  return `${address}|${port}`;
}

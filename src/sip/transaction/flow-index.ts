import type { Flow } from '../transport/index.ts';

/** Which transactions wait on a connection. UDP flows never close, so theirs are not kept. */
export class FlowIndex<Transaction> {
  readonly #byFlow = new Map<string, Set<Transaction>>();

  add(flow: Flow, transaction: Transaction): void {
    if (!flow.reliable) return;
    const present = this.#byFlow.get(flow.id);
    if (present === undefined) this.#byFlow.set(flow.id, new Set([transaction]));
    else present.add(transaction);
  }

  remove(flow: Flow, transaction: Transaction): void {
    if (!flow.reliable) return;
    const present = this.#byFlow.get(flow.id);
    if (present === undefined) return;
    present.delete(transaction);
    if (present.size === 0) this.#byFlow.delete(flow.id);
  }

  /** A snapshot: failing one transaction may end others of the same flow. */
  on(flow: Flow): readonly Transaction[] {
    const present = this.#byFlow.get(flow.id);
    return present === undefined ? [] : [...present];
  }

  clear(): void {
    this.#byFlow.clear();
  }
}

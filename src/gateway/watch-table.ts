import type { RegSubscription } from './reg-subscription.ts';

/** One subscription, who holds it and whom it is about. */
export interface Watch {
  /** Call-ID and our tag. */
  readonly key: string;
  readonly subscription: RegSubscription;
  readonly watcher: string;
  readonly watched: string;
  /** Where the watcher's last SUBSCRIBE came from. */
  flowId: string;
  lastCSeq: number;
}

/** All subscriptions, found by dialog, identity and flow without looking at the others: registrations are many. */
export class WatchTable {
  readonly #byDialog = new Map<string, Watch>();
  readonly #byWatched = new Map<string, Set<Watch>>();
  readonly #byWatcher = new Map<string, Set<Watch>>();
  readonly #byFlow = new Map<string, Set<Watch>>();

  get size(): number {
    return this.#byDialog.size;
  }

  find(key: string): Watch | undefined {
    return this.#byDialog.get(key);
  }

  add(watch: Watch): void {
    this.#byDialog.set(watch.key, watch);
    put(this.#byWatched, watch.watched, watch);
    put(this.#byWatcher, watch.watcher, watch);
    put(this.#byFlow, watch.flowId, watch);
  }

  move(watch: Watch, flowId: string): void {
    take(this.#byFlow, watch.flowId, watch);
    watch.flowId = flowId;
    put(this.#byFlow, flowId, watch);
  }

  remove(watch: Watch): void {
    this.#byDialog.delete(watch.key);
    take(this.#byWatched, watch.watched, watch);
    take(this.#byWatcher, watch.watcher, watch);
    take(this.#byFlow, watch.flowId, watch);
  }

  of(watched: string): readonly Watch[] {
    return [...(this.#byWatched.get(watched) ?? [])];
  }

  on(flowId: string): readonly Watch[] {
    return [...(this.#byFlow.get(flowId) ?? [])];
  }

  countBy(watcher: string): number {
    return this.#byWatcher.get(watcher)?.size ?? 0;
  }

  all(): readonly Watch[] {
    return [...this.#byDialog.values()];
  }
}

function put(index: Map<string, Set<Watch>>, key: string, watch: Watch): void {
  const present = index.get(key);
  if (present === undefined) index.set(key, new Set([watch]));
  else present.add(watch);
}

function take(index: Map<string, Set<Watch>>, key: string, watch: Watch): void {
  const present = index.get(key);
  if (present?.delete(watch) && present.size === 0) index.delete(key);
}

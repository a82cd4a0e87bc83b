import type { Clock } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import {
  applyBindingChanges,
  type Binding,
  type BindingAnnotation,
  type BindingChange,
  type BindingsDocument,
  liveBindings,
  noBindings,
  type RegisteredBinding,
} from './binding.ts';
import { term } from './documents.ts';
import { chain, type Eventual } from './eventual.ts';
import { keep, type OverlayStore, type StoreEntry } from './store.ts';

/** What an update wants changed, and whatever its decider wants to tell its caller. */
export interface BindingUpdate {
  readonly changes: readonly BindingChange[];
}

export type Annotate = (binding: RegisteredBinding) => BindingAnnotation;

export const unknownAssurance: Annotate = () => ({ assurance: 0, capabilities: [] });

/** A binding that has gone without its phone having asked. */
export interface LostBinding {
  readonly fingerprint: Fingerprint;
  readonly binding: Binding;
}

/** Where identities can be reached over SIP right now. */
export class LocationBook {
  readonly #store: OverlayStore;
  readonly #clock: Clock;
  readonly #node: string;

  constructor(store: OverlayStore, clock: Clock, node: string) {
    this.#store = store;
    this.#clock = clock;
    this.#node = node;
  }

  /** The live ones, newest first; at once when cached or embedded. */
  bindings(fingerprint: Fingerprint): Eventual<readonly Binding[]> {
    return chain(this.#store.get('bindings', fingerprint), (stored = noBindings) =>
      liveBindings(stored, this.#clock.now()),
    );
  }

  /** All or none; returns once the changes are stored. `decide` is pure and may run again. */
  async update<Update extends BindingUpdate>(
    fingerprint: Fingerprint,
    decide: (current: readonly Binding[]) => Update,
    annotate: Annotate = unknownAssurance,
  ): Promise<Update> {
    const decided: Update[] = [];
    await this.#store.update('bindings', fingerprint, (stored = noBindings) => {
      const update = decide(stored.bindings);
      decided.push(update);
      if (update.changes.length === 0) return keep;
      return applyBindingChanges(stored, update.changes, (binding) => ({
        ...annotate(binding),
        node: this.#node,
      }));
    });
    return decided.at(-1) ?? decide([]);
  }

  /** Those that this node held on a flow that has closed; found by an index, not by a scan. */
  async removeFlow(flowId: string): Promise<readonly LostBinding[]> {
    return this.#removeFrom(
      await this.#store.find('bindings', term.flow(this.#node, flowId)),
      (binding) => binding.node === this.#node && binding.flowId === flowId,
    );
  }

  /** Every one, at this node and elsewhere. */
  removeIdentity(fingerprint: Fingerprint): Promise<readonly LostBinding[]> {
    return this.#remove(fingerprint, () => true);
  }

  /** In pages: of a node with many phones it takes its time. */
  async *identitiesOfNode(): AsyncGenerator<readonly Fingerprint[]> {
    for await (const page of this.#store.pages('bindings', term.node(this.#node)))
      yield page.map(([fingerprint]) => fingerprint);
  }

  /** After a restart: those of this node whose flow no longer exists, page by page. */
  async *removeDeadFlows(isAlive: (binding: Binding) => boolean): AsyncGenerator<readonly LostBinding[]> {
    const isLost = (binding: Binding): boolean => binding.node === this.#node && !isAlive(binding);
    for await (const page of this.#store.pages('bindings', term.node(this.#node)))
      yield await this.#removeFrom(
        page.filter(([, { bindings }]) => bindings.some(isLost)),
        isLost,
      );
  }

  /** Takes out what has expired, of up to `maxIdentities` identities; returns each binding to one sweeper only. */
  async sweep(maxIdentities: number): Promise<readonly LostBinding[]> {
    const nowMs = this.#clock.now();
    const due = await this.#store.due('bindings', nowMs, maxIdentities);
    const hasExpired = (binding: Binding): boolean => binding.expiresAtMs <= nowMs;
    const lost = await Promise.all(due.map((fingerprint) => this.#remove(fingerprint, hasExpired)));
    return lost.flat();
  }

  async #removeFrom(
    entries: readonly StoreEntry<BindingsDocument>[],
    isLost: (binding: Binding) => boolean,
  ): Promise<readonly LostBinding[]> {
    const lost = await Promise.all(entries.map(([fingerprint]) => this.#remove(fingerprint, isLost)));
    return lost.flat();
  }

  async #remove(
    fingerprint: Fingerprint,
    isLost: (binding: Binding) => boolean,
  ): Promise<readonly LostBinding[]> {
    let gone: readonly Binding[] = [];
    await this.#store.update('bindings', fingerprint, (stored = noBindings) => {
      gone = stored.bindings.filter(isLost);
      if (gone.length === 0) return keep;
      return { ...stored, bindings: stored.bindings.filter((binding) => !isLost(binding)) };
    });
    return gone.map((binding) => ({ fingerprint, binding }));
  }
}

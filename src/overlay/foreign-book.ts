import type { ForeignDocument } from './documents.ts';
import type { Eventual } from './eventual.ts';
import type { EventReporter } from './overlay-event.ts';
import type { Page } from './overlay-options.ts';
import type { ListOptions, OverlayStore } from './store.ts';

/** One memory; `key` is a fingerprint or `name@domain`. */
export interface ForeignEntry extends ForeignDocument {
  readonly key: string;
}

/** What was seen of identities of other operators: what they show next must not be older, and a name keeps its key. */
export class ForeignBook {
  readonly #store: OverlayStore;
  readonly #reporter: EventReporter;

  constructor(store: OverlayStore, reporter: EventReporter) {
    this.#store = store;
    this.#reporter = reporter;
  }

  get(key: string): Eventual<ForeignDocument | undefined> {
    return this.#store.get('foreign', key);
  }

  async update(key: string, change: (stored: ForeignDocument | undefined) => ForeignDocument): Promise<void> {
    await this.#store.update('foreign', key, change);
  }

  async list(options: ListOptions): Promise<Page<ForeignEntry>> {
    const { entries, cursor } = await this.#store.list('foreign', options);
    return { items: entries.map(([key, document]) => ({ key, ...document })), cursor };
  }

  /** Whoever shows up there next is believed; undefined when nothing was remembered. */
  async forget(key: string, intent = 'take whoever is there now'): Promise<ForeignDocument | undefined> {
    let forgotten: ForeignDocument | undefined;
    await this.#store.update('foreign', key, (stored) => {
      forgotten = stored;
      return undefined;
    });
    if (forgotten === undefined) return undefined;
    const { publicKey } = forgotten;
    this.#reporter.done('forgetting', { asked: key, facts: { key: publicKey }, intent });
    return forgotten;
  }
}

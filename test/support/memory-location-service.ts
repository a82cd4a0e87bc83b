import {
  applyChanges,
  type Binding,
  type LocationService,
  type LocationUpdate,
} from '../../src/sip/registrar/index.ts';

/** A location service in memory. Calls for one process arrive one after another, so each update is atomic as it is. */
export class MemoryLocationService implements LocationService {
  readonly #bindings = new Map<string, readonly Binding[]>();
  /** How many updates stored a change. */
  writes = 0;
  /** Set to make every call fail, as a store does whose disk or server is gone. */
  failure: Error | undefined;

  list(aor: string): readonly Binding[] {
    if (this.failure) throw this.failure;
    return this.#bindings.get(aor) ?? [];
  }

  async update<Update extends LocationUpdate>(
    aor: string,
    decide: (current: readonly Binding[]) => Update,
  ): Promise<Update> {
    const current = this.list(aor);
    const update = decide(current);
    if (update.changes.length > 0) {
      this.writes++;
      this.#bindings.set(aor, applyChanges(current, update.changes));
    }
    return update;
  }
}

/** What was read lately: what is being read is not read a second time, what could not be read is forgotten. */
export class Recent<V> {
  readonly #limit: number;
  /** The one that was asked for last stands last. */
  readonly #values = new Map<string, Promise<V>>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  get(key: string, read: () => Promise<V>): Promise<V> {
    const known = this.#values.get(key);
    if (known) {
      this.#values.delete(key);
      this.#values.set(key, known);
      return known;
    }
    if (this.#values.size >= this.#limit) {
      const oldest = this.#values.keys().next();
      if (!oldest.done) this.#values.delete(oldest.value);
    }
    const value = read();
    this.#values.set(key, value);
    value.catch(() => this.#values.delete(key));
    return value;
  }
}

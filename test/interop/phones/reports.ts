/** How long a report is waited for before the test fails. */
const patienceMs = 8_000;

interface Waiting<T> {
  readonly wants: (report: T) => boolean;
  readonly give: (report: T) => void;
}

/** What a phone has reported: each report is taken once, by whoever waits for its like. */
export class Reports<T> {
  readonly #owner: string;
  readonly #describe: (report: T) => string;
  readonly #all: T[] = [];
  readonly #unread: T[] = [];
  readonly #waiting = new Set<Waiting<T>>();

  constructor(owner: string, describe: (report: T) => string) {
    this.#owner = owner;
    this.#describe = describe;
  }

  arrive(report: T): void {
    this.#all.push(report);
    for (const waiting of this.#waiting) {
      if (!waiting.wants(report)) continue;
      this.#waiting.delete(waiting);
      waiting.give(report);
      return;
    }
    this.#unread.push(report);
  }

  /** Drops what nobody has taken. */
  forget(wants: (report: T) => boolean): void {
    const kept = this.#unread.filter((report) => !wants(report));
    this.#unread.splice(0, this.#unread.length, ...kept);
  }

  /** The oldest report that nobody has taken and that `wants` accepts, now or when it comes. */
  async take(what: string, wants: (report: T) => boolean): Promise<T> {
    const { promise, reject } = Promise.withResolvers<T>();
    const timer = setTimeout(() => {
      const said = this.#all.map(this.#describe).join(', ');
      reject(new Error(`${this.#owner} waited in vain for ${what}; it reported: ${said}`));
    }, patienceMs);
    try {
      return await Promise.race([this.when(wants), promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The same, however long it takes. */
  when(wants: (report: T) => boolean): Promise<T> {
    const at = this.#unread.findIndex(wants);
    const [found] = at < 0 ? [] : this.#unread.splice(at, 1);
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((give) => this.#waiting.add({ wants, give }));
  }
}

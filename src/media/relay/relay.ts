import { randomInt } from 'node:crypto';
import { PortPool } from './port-pool.ts';
import type { RelayNotice, RelayOrder, RelaySettings } from './protocol.ts';
import { RelaySession } from './relay-session.ts';

interface Entry {
  readonly session: RelaySession;
  /** Orders of one session are carried out one after the other. */
  last: Promise<void>;
}

/** What runs in the relay's thread: all sessions and their sockets. */
export class Relay {
  readonly #settings: RelaySettings;
  readonly #notify: (notice: RelayNotice) => void;
  readonly #pool: PortPool;
  readonly #sessions = new Map<string, Entry>();
  readonly #sweep: NodeJS.Timeout;

  constructor(settings: RelaySettings, notify: (notice: RelayNotice) => void) {
    this.#settings = settings;
    this.#notify = notify;
    this.#pool = new PortPool(settings.ports, (below) => randomInt(below));
    this.#sweep = setInterval(() => this.#releaseSilent(), settings.sweepIntervalMs);
    notify({ kind: 'ready', pairs: this.#pool.size });
  }

  carryOut(order: RelayOrder): void {
    const entry =
      this.#sessions.get(order.session) ??
      (order.kind === 'exchange' ? this.#open(order.session) : undefined);
    if (entry === undefined) {
      if (order.kind === 'query' || order.kind === 'release')
        this.#notify({ kind: 'report', order: order.order, streams: undefined });
      return;
    }
    entry.last = entry.last.then(() => this.#carryOut(order, entry.session));
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const { session } of this.#sessions.values()) session.close();
    this.#sessions.clear();
  }

  #open(name: string): Entry {
    const session = new RelaySession({
      pool: this.#pool,
      settings: this.#settings,
      onLearned: (learned) => this.#notify({ kind: 'learned', session: name, learned }),
    });
    const entry: Entry = { session, last: Promise.resolve() };
    this.#sessions.set(name, entry);
    return entry;
  }

  async #carryOut(order: RelayOrder, session: RelaySession): Promise<void> {
    switch (order.kind) {
      case 'exchange': {
        const ports = await session.exchange(order);
        if (ports === undefined) this.#notify({ kind: 'exhausted', order: order.order });
        else this.#notify({ kind: 'ports', order: order.order, ports });
        break;
      }
      case 'reauthorize':
        session.reauthorize(order.party, order.observed);
        break;
      case 'restore':
        session.restore(order.sources);
        break;
      case 'query':
        this.#notify({ kind: 'report', order: order.order, streams: session.report() });
        break;
      case 'release': {
        const streams = session.report();
        session.close();
        this.#sessions.delete(order.session);
        this.#notify({ kind: 'report', order: order.order, streams });
        break;
      }
    }
  }

  #releaseSilent(): void {
    const { silenceMs, holdMs } = this.#settings;
    const nowMs = performance.now();
    for (const [name, { session }] of this.#sessions) {
      if (!session.isSilent(nowMs, silenceMs, holdMs)) continue;
      const streams = session.report();
      session.close();
      this.#sessions.delete(name);
      this.#notify({ kind: 'silent', session: name, streams });
    }
  }
}

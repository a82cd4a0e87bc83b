import { type Clock, type Timer, Turns, type Work } from '../../base/index.ts';
import { Admission } from './admission.ts';
import type { Connection, ConnectionHost } from './connection-life.ts';
import { ConnectionReuse } from './connection-reuse.ts';
import type { TransportLimits } from './limits.ts';
import type { Reception } from './reception.ts';

/**
 * Of ending connections, in a turn of the event loop: each is two of them and costs some 60 us in all, most of it after
 * its turn, in which Node closes the sockets.
 */
const endings = { maxAtOnce: 100, maxMs: 5 } as const;

/** In a turn of the event loop: a millisecond's work, pings included; of 20,000 it would be 15 to 40. */
const sweptAtOnce = 500;

export interface ConnectionTableOptions {
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly reception: Reception;
}

interface Swept {
  sweep(nowMs: number): void;
}

/** All connections of a layer, and the one timer that watches over them. */
export class ConnectionTable implements ConnectionHost {
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly reception: Reception;
  readonly admission: Admission;
  readonly reuse: ConnectionReuse = new ConnectionReuse();
  readonly #open = new Map<string, Connection>();
  /** Open ones and those whose farewells are under way. */
  readonly #live = new Set<Connection>();
  readonly #swept = new Set<Swept>();
  readonly #ending: Turns;
  #sweepTimer: Timer | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(options: ConnectionTableOptions) {
    this.limits = options.limits;
    this.clock = options.clock;
    this.reception = options.reception;
    this.admission = new Admission(options.limits);
    this.#ending = new Turns({ clock: options.clock, ...endings });
  }

  get(id: string): Connection | undefined {
    return this.#open.get(id);
  }

  opened(connection: Connection): void {
    this.#open.set(connection.id, connection);
    this.#live.add(connection);
    if (connection.dialled !== true) this.reuse.add(connection);
  }

  /** Something without connections of its own that has deadlines too. */
  alsoSweep(swept: Swept): void {
    this.#swept.add(swept);
  }

  closing(connection: Connection): void {
    this.#open.delete(connection.id);
    this.reuse.remove(connection);
  }

  gone(connection: Connection): void {
    this.#live.delete(connection);
    if (this.#live.size === 0) this.#onEmpty?.();
  }

  whenEnded(work: Work): void {
    this.#ending.add(work);
  }

  startSweeping(): void {
    this.#sweepTimer = this.clock.setTimer(this.limits.sweepIntervalMs, () => {
      const nowMs = this.clock.monotonicMs();
      this.admission.sweep(nowMs);
      for (const swept of this.#swept) swept.sweep(nowMs);
      this.#sweep(this.#live.values(), nowMs);
      this.startSweeping();
    });
  }

  #sweep(connections: IterableIterator<Connection>, nowMs: number): void {
    let left = sweptAtOnce;
    for (const connection of connections) {
      connection.sweep(nowMs);
      if (--left > 0) continue;
      setImmediate(() => this.#sweep(connections, nowMs));
      return;
    }
  }

  /** Closes everything: what was sent goes out first, within `closeTimeoutMs`. */
  async close(): Promise<void> {
    this.admission.destroyUnoccupied();
    for (const connection of this.#live) connection.close('shutdown');
    if (this.#live.size > 0) await this.#drained();
    this.#sweepTimer?.cancel();
    this.#sweepTimer = undefined;
    await this.#ending.settled();
  }

  async #drained(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.clock.setTimer(this.limits.closeTimeoutMs, () => {
        for (const connection of this.#live) connection.abort('shutdown');
      });
      this.#onEmpty = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#onEmpty = undefined;
  }
}

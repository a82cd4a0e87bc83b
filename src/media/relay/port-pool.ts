/** `first` to `last`, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Pairs of ports, an even one for RTP and the next for RTCP (RFC 3550 §11). Handed out in random order, and what comes
 * back waits behind all others: packets of a former call find nobody there.
 */
export class PortPool {
  /** A ring of even ports. */
  readonly #ports: Uint16Array;
  #head = 0;
  #free: number;

  /** `random` gives a whole number from 0 to below its argument. */
  constructor({ first, last }: PortRange, random: (below: number) => number) {
    const start = first + (first % 2);
    const count = Math.max(0, Math.floor((last - start + 1) / 2));
    this.#ports = Uint16Array.from({ length: count }, (_, index) => start + 2 * index);
    this.#free = count;
    for (let i = count - 1; i > 0; i--) {
      const other = random(i + 1);
      const port = this.#ports[i] ?? 0;
      this.#ports[i] = this.#ports[other] ?? 0;
      this.#ports[other] = port;
    }
  }

  get free(): number {
    return this.#free;
  }

  get size(): number {
    return this.#ports.length;
  }

  take(): number | undefined {
    if (this.#free === 0) return undefined;
    const port = this.#ports[this.#head];
    this.#head = (this.#head + 1) % this.#ports.length;
    this.#free -= 1;
    return port;
  }

  /** Takes one that is known, as after a restart; false when it is not free. */
  takeThis(port: number): boolean {
    for (let i = 0; i < this.#free; i++) {
      const at = (this.#head + i) % this.#ports.length;
      if (this.#ports[at] !== port) continue;
      this.#ports[at] = this.#ports[this.#head] ?? 0;
      this.#ports[this.#head] = port;
      return this.take() === port;
    }
    return false;
  }

  give(port: number): void {
    this.#ports[(this.#head + this.#free) % this.#ports.length] = port;
    this.#free += 1;
  }
}

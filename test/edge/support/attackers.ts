import type { Listening } from './alive.ts';
import { RawTcp, RawUdp } from './raw-wire.ts';

/** The raw sockets of one test file; `close()` after each test. */
export class Attackers {
  readonly #gateway: () => Listening;
  readonly #wires: { close(): void }[] = [];

  constructor(gateway: () => Listening) {
    this.#gateway = gateway;
  }

  async udp(host?: string): Promise<RawUdp> {
    const wire = await RawUdp.open(this.#gateway().port('udp'), host);
    this.#wires.push(wire);
    return wire;
  }

  async tcp(host?: string): Promise<RawTcp> {
    const wire = await RawTcp.open(this.#gateway().port('tcp'), host);
    this.#wires.push(wire);
    return wire;
  }

  close(): void {
    for (const wire of this.#wires.splice(0)) wire.close();
  }
}

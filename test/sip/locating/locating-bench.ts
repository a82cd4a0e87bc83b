import { expect } from 'vitest';
import type { Random } from '../../../src/base/index.ts';
import {
  DnsNames,
  defaultLocatingLimits,
  type HopTransport,
  LocatingError,
  type LocatingLimits,
  Locator,
  nextHopOf,
} from '../../../src/sip/locating/index.ts';
import { parseUri } from '../../../src/sip/message/index.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** The lowest draw each time: SRV records of one priority come in the order of their weights, zero first. */
const lowest: Random = {
  bytes: (length) => new Uint8Array(length),
  fill: (target, start, length) => target.fill(0, start, start + length),
};

/** A name server with the records that a test gives it, and locators that ask it. */
export class LocatingBench {
  readonly dns: DnsServer;
  readonly clock: FakeClock = new FakeClock();
  readonly #locators: Locator[] = [];

  private constructor(dns: DnsServer) {
    this.dns = dns;
  }

  static async open(): Promise<LocatingBench> {
    return new LocatingBench(await DnsServer.open());
  }

  locator(
    limits: Partial<LocatingLimits> = {},
    transports: readonly HopTransport[] = ['udp', 'tcp', 'tls'],
  ): Locator {
    const locator = new Locator({
      names: new DnsNames({ servers: [this.dns.address], timeoutMs: 150, tries: 1 }),
      clock: this.clock,
      random: lowest,
      limits: { ...defaultLocatingLimits, ...limits },
      transports,
    });
    this.#locators.push(locator);
    return locator;
  }

  /** Each target as `udp 192.0.2.1:5060`, for TLS with the name that its certificate must carry. */
  async located(text: string, locator: Locator = this.locator()): Promise<string[]> {
    const uri = parseUri(text);
    const hop = uri.scheme === 'sip' || uri.scheme === 'sips' ? nextHopOf(uri) : undefined;
    if (hop === undefined) throw new Error(`${text} has no next hop`);
    const targets = await locator.locate(hop);
    return targets.map(({ transport, address, port, serverName }) => {
      return `${transport} ${address}:${port}${serverName === undefined ? '' : ` as ${serverName}`}`;
    });
  }

  /** How often exactly this was asked. */
  asked(question: string): number {
    return this.dns.questions.filter((one) => one === question).length;
  }

  async close(): Promise<void> {
    for (const locator of this.#locators) locator.close();
    await this.dns.close();
  }
}

/** The code of the LocatingError that `work` must reject with. */
export async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LocatingError);
  return error instanceof LocatingError ? error.code : '';
}

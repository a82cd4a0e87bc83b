import { expect } from 'vitest';
import type { WireTransport } from '../../support/sip-wire.ts';
import { RawTcp, RawUdp } from './raw-wire.ts';
import { requestText, statusOf } from './request-text.ts';

/** An answer takes a millisecond or two and should never take 100; the rest is for a busy machine. */
const promptMs = 1_000;

/** What the check needs of a gateway. */
export interface Listening {
  readonly domain: string;
  port(transport: WireTransport): number;
}

/** A valid OPTIONS from somebody new is answered with 200 at once, over UDP and over a new TCP connection. */
export async function expectAlive(gateway: Listening, host = '127.0.0.1'): Promise<void> {
  const wires = [
    await RawUdp.open(gateway.port('udp'), host),
    await RawTcp.open(gateway.port('tcp'), host),
  ] as const;
  try {
    for (const wire of wires) {
      const startedMs = performance.now();
      const answer = await wire.ask(requestText({ uri: `sip:${gateway.domain}` }));
      expect(statusOf(answer)).toBe(200);
      expect(performance.now() - startedMs).toBeLessThan(promptMs);
    }
  } finally {
    for (const wire of wires) wire.close();
  }
}

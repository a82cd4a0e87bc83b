import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/index.ts';
import { requestBytes } from '../../../src/sip/locating/index.ts';
import { createRequest, createVia, headerField, type SipRequest } from '../../../src/sip/message/index.ts';
import { DatagramGuard } from '../../../src/sip/proxy/datagram-guard.ts';
import type { Flow } from '../../../src/sip/transport/index.ts';

function request(subject: string, body: Uint8Array): SipRequest {
  return createRequest({
    method: 'MESSAGE',
    uri: 'sip:bob@example.com',
    via: createVia({ transport: 'UDP', host: '127.0.0.1', port: 5060, branch: 'b' }),
    from: '<sip:alice@example.com>;tag=1',
    to: '<sip:bob@example.com>',
    callId: 'size',
    cseq: 1,
    headers: [headerField('Subject', subject)],
    body,
  });
}

const flow = { reliable: false } as Flow;

describe('what a datagram cannot carry whole (RFC 3261 §18.1.1)', () => {
  it('is a request above 1300 bytes, on UDP flows only', () => {
    const guard = new DatagramGuard({ logger: silentLogger });
    const head = requestBytes(request('x', new Uint8Array(100))) - 100;
    // From 100 to 999 bytes the length has three digits.
    const fits = request('x'.repeat(1 + 1_300 - head - 900), new Uint8Array(900));
    const exceeds = request('x'.repeat(2 + 1_300 - head - 900), new Uint8Array(900));
    expect([fits, exceeds].map(requestBytes)).toEqual([1_300, 1_301]);
    expect([fits, exceeds].map((message) => guard.exceeds(message, flow))).toEqual([false, true]);
    expect(guard.exceeds(exceeds, { ...flow, reliable: true })).toBe(false);
  });

  it('is warned of once for each flow', () => {
    const said: unknown[] = [];
    const logger = { ...silentLogger, warn: (fields: unknown): void => void said.push(fields) };
    const guard = new DatagramGuard({ logger, maxUdpRequestBytes: 400 });
    const other = { ...flow };
    for (const to of [flow, flow, other]) guard.warn(request('x', new Uint8Array(300)), to);
    guard.warn(request('x', new Uint8Array(1)), { ...flow });
    expect(said).toHaveLength(2);
    expect(said[0]).toMatchObject({ method: 'MESSAGE', maxBytes: 400 });
  });
});

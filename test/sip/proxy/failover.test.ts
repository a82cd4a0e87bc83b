import { beforeEach, describe, expect, it } from 'vitest';
import { headerField, headerValue } from '../../../src/sip/message/index.ts';
import type { ProxyTarget, TargetFailure } from '../../../src/sip/proxy/index.ts';
import type { MemoryPhone } from '../../support/memory-phone.ts';
import { cancelOf, ProxyBench } from './proxy-bench.ts';

let bench: ProxyBench;
let failures: TargetFailure[];
beforeEach(() => {
  bench = new ProxyBench();
  failures = [];
});

const silenceMs = 4_000;

/** One next hop with several addresses. */
function hopOf(...addresses: readonly MemoryPhone[]): ProxyTarget {
  const [first, ...rest] = addresses;
  if (first === undefined) throw new Error('a next hop needs an address');
  const next = (failure: TargetFailure): Promise<ProxyTarget | undefined> => {
    failures.push(failure);
    return Promise.resolve(rest.length === 0 ? undefined : hopOf(...rest));
  };
  return { ...bench.target(first), failover: { next, ...(rest.length === 0 ? {} : { silenceMs }) } };
}

/** Lets the promise of a next address come through. */
async function settled(): Promise<void> {
  await new Promise(setImmediate);
  bench.flush();
}

describe('failover to the next address (RFC 3263 §4.3)', () => {
  it('follows a 503, for as long as its Retry-After says, and hides it from the caller', async () => {
    const [alice, first, second] = [bench.phone('alice'), bench.phone('first'), bench.phone('second')];
    bench.forwardTo([hopOf(first, second)]);
    alice.request('INVITE', 'sip:100@example.com');
    first.reply(first.lastRequest('INVITE'), 503, 'first-tag', [headerField('Retry-After', '120')]);
    await settled();
    expect(failures).toEqual([{ reason: 'unavailable', retryAfterSeconds: 120 }]);
    second.reply(second.lastRequest('INVITE'), 200);
    expect(alice.statuses).toEqual([100, 200]);
    // Each attempt is a transaction of its own.
    expect(second.lastRequest('INVITE').via.branch).not.toBe(first.lastRequest('INVITE').via.branch);
    bench.expectNothingLeft();
  });

  it('follows a closed connection', async () => {
    const [alice, second] = [bench.phone('alice'), bench.phone('second')];
    const first = bench.phone('first', 'tcp');
    bench.forwardTo([hopOf(first, second)]);
    alice.request('INVITE', 'sip:100@example.com');
    first.flow.close('gone');
    await settled();
    expect(failures).toEqual([{ reason: 'no-flow' }]);
    second.reply(second.lastRequest('INVITE'), 486);
    expect(alice.statuses).toEqual([100, 486]);
    bench.expectNothingLeft();
  });

  it.each(['INVITE', 'MESSAGE'])('gives up an address that says nothing to an %s', async (method) => {
    const [alice, first, second] = [bench.phone('alice'), bench.phone('first'), bench.phone('second')];
    bench.forwardTo([hopOf(first, second)]);
    alice.request(method, 'sip:100@example.com');
    bench.advance(silenceMs - 1);
    await settled();
    expect(second.methods).toEqual([]);
    bench.advance(1);
    await settled();
    expect(failures).toEqual([{ reason: 'timeout' }]);
    expect(second.methods).toEqual([method]);
    second.reply(second.lastRequest(method), 200);
    expect(alice.statuses).toEqual(method === 'INVITE' ? [100, 200] : [200]);
    bench.expectNothingLeft();
  });

  it('cancels an address that wakes up after it was given up (RFC 3261 §9.1)', async () => {
    const [alice, first, second] = [bench.phone('alice'), bench.phone('first'), bench.phone('second')];
    bench.forwardTo([hopOf(first, second)]);
    alice.request('INVITE', 'sip:100@example.com');
    bench.advance(silenceMs);
    await settled();
    first.reply(first.lastRequest('INVITE'), 180);
    expect(first.methods.at(-1)).toBe('CANCEL');
    second.reply(second.lastRequest('INVITE'), 200);
    expect(alice.statuses).toEqual([100, 200]);
    bench.expectNothingLeft();
  });

  it('waits for an address that has said 100', async () => {
    const [alice, first, second] = [bench.phone('alice'), bench.phone('first'), bench.phone('second')];
    bench.forwardTo([hopOf(first, second)]);
    alice.request('INVITE', 'sip:100@example.com');
    first.reply(first.lastRequest('INVITE'), 100);
    bench.advance(60_000);
    await settled();
    expect(second.methods).toEqual([]);
    first.reply(first.lastRequest('INVITE'), 200);
    expect(alice.statuses).toEqual([100, 200]);
    bench.expectNothingLeft();
  });

  it.each([404, 486, 500, 603])('stays with an address that answers %i', async (status) => {
    const [alice, first, second] = [bench.phone('alice'), bench.phone('first'), bench.phone('second')];
    bench.forwardTo([hopOf(first, second)]);
    alice.request('INVITE', 'sip:100@example.com');
    first.reply(first.lastRequest('INVITE'), status);
    await settled();
    expect(alice.statuses).toEqual([100, status]);
    expect(second.methods).toEqual([]);
    bench.expectNothingLeft();
  });

  it('answers for the last address when all have failed, and tells of that one too', async () => {
    const [alice, first, second] = [bench.phone('alice'), bench.phone('first'), bench.phone('second')];
    bench.forwardTo([hopOf(first, second)]);
    alice.request('INVITE', 'sip:100@example.com');
    for (const phone of [first, second]) {
      phone.reply(phone.lastRequest('INVITE'), 503);
      await settled();
    }
    // RFC 3261 §16.7 step 6: a 503 would stop the caller from using this proxy.
    expect(alice.statuses).toEqual([100, 500]);
    expect(failures).toHaveLength(2);
    bench.expectNothingLeft();
  });
});

describe('a request too large for a datagram (RFC 3261 §18.1.1)', () => {
  const large = { body: new Uint8Array(1_000).fill(0x61) };

  function overConnection(udp: MemoryPhone, tcp: MemoryPhone | undefined): ProxyTarget {
    const plain = bench.target(udp);
    const chosen = tcp === undefined ? plain : { ...plain, flow: tcp.flow };
    return { ...plain, overConnection: () => Promise.resolve(chosen) };
  }

  it('goes over a connection to the same place, with a Via that says so', async () => {
    const [alice, udp, tcp] = [bench.phone('alice'), bench.phone('udp'), bench.phone('tcp', 'tcp')];
    bench.forwardTo([overConnection(udp, tcp)]);
    alice.request('MESSAGE', 'sip:100@example.com', large);
    await settled();
    expect(udp.methods).toEqual([]);
    expect(tcp.lastRequest('MESSAGE').via.transport).toBe('TCP');
    tcp.reply(tcp.lastRequest('MESSAGE'), 200);
    expect(alice.statuses).toEqual([200]);
    bench.expectNothingLeft();
  });

  it('stays on UDP when it is small, and when no connection is taken', async () => {
    const [alice, udp, tcp] = [bench.phone('alice'), bench.phone('udp'), bench.phone('tcp', 'tcp')];
    bench.forwardTo([overConnection(udp, tcp)]);
    alice.request('MESSAGE', 'sip:100@example.com');
    bench.forwardTo([overConnection(udp, undefined)]);
    alice.request('MESSAGE', 'sip:100@example.com', large);
    await settled();
    expect(udp.methods).toEqual(['MESSAGE', 'MESSAGE']);
    expect(tcp.methods).toEqual([]);
    for (const request of udp.requests) udp.reply(request, 200);
    bench.expectNothingLeft();
  });

  it('is let go when the caller cancels meanwhile', async () => {
    const [alice, udp, tcp] = [bench.phone('alice'), bench.phone('udp'), bench.phone('tcp', 'tcp')];
    bench.forwardTo([overConnection(udp, tcp)]);
    const invite = alice.request('INVITE', 'sip:100@example.com', large);
    alice.send(cancelOf(invite));
    await settled();
    expect(alice.statuses.toSorted((a, b) => a - b)).toEqual([100, 200, 487]);
    expect([udp.methods, tcp.methods]).toEqual([[], []]);
    expect(headerValue(alice.lastResponse(), 'cseq')).toContain('INVITE');
    bench.expectNothingLeft();
  });
});

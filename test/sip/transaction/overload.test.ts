import { beforeEach, describe, expect, it } from 'vitest';
import { headerValue, replaceTopVia, type SipRequest, withViaParam } from '../../../src/sip/message/index.ts';
import { Admission, defaultOverloadLimits, type OverloadLimits } from '../../../src/sip/transaction/index.ts';
import { TokenBuckets } from '../../../src/sip/transaction/token-buckets.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import type { MemoryPhone } from '../../support/memory-phone.ts';
import { LayerBench } from './layer-bench.ts';

let admission: Admission;
let bench: LayerBench;

function open(limits: Partial<OverloadLimits> = {}): void {
  bench = new LayerBench({
    admission: (clock) => {
      admission = new Admission(clock, { ...defaultOverloadLimits, minCallsPerSecond: 0, ...limits });
      return admission;
    },
  });
}
beforeEach(() => open());

/** The loop comes late by so much, this many times in a row. */
function late(lagMs: number, times: number): void {
  for (let i = 0; i < times; i++) admission.observeLag(lagMs);
}

const statusesOf = (phone: MemoryPhone, method: string, count: number): number => {
  const before = phone.statuses.length;
  for (let i = 0; i < count; i++) phone.request(method, 'sip:bob@example.com');
  return phone.statuses.slice(before).filter((status) => status === 503).length;
};

/** A request of a peer that takes RFC 7339 feedback. */
function offering(request: SipRequest, algorithms?: string): SipRequest {
  let via = withViaParam(request.via, 'oc', undefined);
  via = withViaParam(via, 'branch', `${request.via.branch ?? ''}oc`);
  return replaceTopVia(request, algorithms === undefined ? via : withViaParam(via, 'oc-algo', algorithms));
}

describe('a loop that falls behind', () => {
  it('lets everything in while one pause alone is long', () => {
    late(0, 4);
    late(5_000, 1);
    expect(statusesOf(bench.phone('alice'), 'INVITE', 10)).toBe(0);
  });

  it('sheds the more new calls the longer it lasts, exactly the share, and recovers', () => {
    const alice = bench.phone('alice');
    late(300, 7);
    expect(admission.lossPercent).toBe(30);
    expect(statusesOf(alice, 'INVITE', 100)).toBe(30);
    late(300, 10);
    expect(statusesOf(alice, 'INVITE', 10)).toBe(10);
    late(0, 25);
    expect(statusesOf(alice, 'INVITE', 10)).toBe(0);
  });

  it('takes registrations longer than calls, and what belongs to a call always', () => {
    const alice = bench.phone('alice');
    late(300, 20);
    expect(statusesOf(alice, 'INVITE', 3)).toBe(3);
    expect(statusesOf(alice, 'MESSAGE', 3)).toBe(3);
    expect(statusesOf(alice, 'REGISTER', 3)).toBe(0);
    late(900, 20);
    expect(statusesOf(alice, 'REGISTER', 3)).toBe(3);
    const remote = '<sip:bob@example.com>;tag=b';
    const dialog = { callId: 'c', local: '<sip:a@example.com>;tag=a', remote, target: 'sip:b@h', routes: [] };
    alice.inDialog('BYE', dialog);
    expect(bench.user.events.at(-1)).toBe('request BYE');
  });

  it('lets a few calls a second in however late it is, and twice as many at once', () => {
    open({ minCallsPerSecond: 5 });
    const alice = bench.phone('alice');
    late(900, 20);
    expect(statusesOf(alice, 'INVITE', 30)).toBe(20);
    bench.clock.advance(1_000);
    expect(statusesOf(alice, 'INVITE', 30)).toBe(25);
  });

  it('says Retry-After, keeps no transaction, and never answers the ACK', () => {
    open({ retryAfterSeconds: 7 });
    const alice = bench.phone('alice');
    late(300, 20);
    alice.request('INVITE', 'sip:bob@example.com');
    expect(headerValue(alice.lastResponse(), 'retry-after')).toBe('7');
    expect(bench.layer.counts()).toMatchObject({ server: 0, refused: 1 });
    alice.request('ACK', 'sip:bob@example.com');
    expect(alice.responses).toHaveLength(1);
    expect(admission.counts().shed).toBe(1);
  });

  it('spreads what it sheds of registrations: each is told a time of its own (RFC 3261 §20.33)', () => {
    open({ retryAfterSeconds: 7, registerSpreadSeconds: 10 });
    const alice = bench.phone('alice');
    late(900, 20);
    expect(statusesOf(alice, 'REGISTER', 200)).toBe(200);
    const told = alice.responses.map((response) => Number(headerValue(response, 'retry-after')));
    expect(Math.min(...told)).toBe(7);
    expect(Math.max(...told)).toBe(17);
    expect(new Set(told).size).toBe(11);
  });

  it('is measured by how late a timer comes', () => {
    const clock = new FakeClock();
    const measured = new Admission(clock, defaultOverloadLimits);
    measured.start();
    clock.advance(1_000);
    expect(measured.counts().lagMs).toBe(0);
    measured.close();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('the queue of requests that wait for a decision', () => {
  it('is bounded: calls first, registrations at four times as many', () => {
    open({ maxUndecided: 10 });
    const alice = bench.phone('alice');
    for (let i = 0; i < 10; i++) admission.entered();
    expect(statusesOf(alice, 'INVITE', 1)).toBe(1);
    expect(statusesOf(alice, 'REGISTER', 1)).toBe(0);
    for (let i = 0; i < 30; i++) admission.entered();
    expect(statusesOf(alice, 'REGISTER', 1)).toBe(1);
    for (let i = 0; i < 40; i++) admission.left();
    expect(statusesOf(alice, 'INVITE', 1)).toBe(0);
  });
});

describe('registrations that wait', () => {
  it('keep no call out, and themselves at four times the bound of calls', () => {
    open({ maxUndecided: 10 });
    const alice = bench.phone('alice');
    for (let i = 0; i < 40; i++) admission.entered('REGISTER');
    expect(statusesOf(alice, 'INVITE', 1)).toBe(0);
    expect(statusesOf(alice, 'REGISTER', 1)).toBe(1);
    for (let i = 0; i < 40; i++) admission.left('REGISTER');
    expect(admission.counts().undecided).toBe(0);
  });
});

describe('rate limits of new calls', () => {
  it('bound one source and no other, with a second’s worth on top at once', () => {
    open({ callsPerSecondPerSource: 2 });
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    expect(statusesOf(alice, 'INVITE', 6)).toBe(2);
    expect(statusesOf(bob, 'INVITE', 4)).toBe(0);
    expect(statusesOf(alice, 'MESSAGE', 1)).toBe(0);
    bench.advance(1_000);
    expect(statusesOf(alice, 'INVITE', 3)).toBe(1);
  });

  it('bound one identity over all its phones', () => {
    open({ callsPerSecondPerIdentity: 1 });
    expect([1, 2, 3].map(() => admission.admitsCallOf('alice'))).toEqual([true, true, false]);
    expect(admission.admitsCallOf('bob')).toBe(true);
    expect(admission.counts().limited).toBe(1);
  });

  it('are off at 0, and count a bounded number of keys', () => {
    const clock = new FakeClock();
    const off = new TokenBuckets(clock, { perSecond: 0, burst: 0 }, 10);
    expect(Array.from({ length: 100 }, () => off.take('a')).every(Boolean)).toBe(true);
    const few = new TokenBuckets(clock, { perSecond: 1, burst: 1 }, 10);
    for (let i = 0; i < 100; i++) few.take(`source ${i}`);
    expect(few.size).toBe(10);
  });
});

describe('overload control towards peers that offer it (RFC 7339)', () => {
  it.each([
    ['without load', 0, { oc: '0', validity: '0' }],
    ['under load', 8, { oc: '40', validity: '500' }],
  ])('tells the share to hold back %s', (_, times, expected) => {
    late(300, times);
    const alice = bench.phone('alice');
    const options = alice.request('OPTIONS', 'sip:gw');
    alice.send(offering(options, 'loss,rate'));
    bench.respond(bench.user.last(), 200);
    const via = headerValue(alice.lastResponse(), 'via') ?? '';
    expect(via).toContain(`;oc=${expected.oc};`);
    expect(via).toContain(`;oc-validity=${expected.validity}`);
    expect(via).toContain(';oc-algo="loss"');
    expect(via).toMatch(/;oc-seq=\d+\.\d{3}/);
  });

  it('says it in a refusal too, which then has no Retry-After', () => {
    const alice = bench.phone('alice');
    const offered = offering(alice.request('INVITE', 'sip:bob@example.com'));
    late(300, 20);
    alice.send(offered);
    expect(alice.lastResponse().status).toBe(503);
    expect(headerValue(alice.lastResponse(), 'retry-after')).toBeUndefined();
    expect(headerValue(alice.lastResponse(), 'via')).toContain(';oc=100;');
  });

  it('says nothing to peers that offer nothing, or only what is not known here', () => {
    const alice = bench.phone('alice');
    const options = alice.request('OPTIONS', 'sip:gw');
    bench.respond(bench.user.last(), 200);
    expect(headerValue(alice.lastResponse(), 'via')).not.toContain('oc');
    alice.send(offering(options, 'rate'));
    bench.respond(bench.user.last(), 200);
    expect(headerValue(alice.lastResponse(), 'via')).not.toContain('oc-validity');
  });
});

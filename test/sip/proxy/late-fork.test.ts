import { beforeEach, describe, expect, it } from 'vitest';
import { headerField } from '../../../src/sip/message/index.ts';
import { cancelOf, ProxyBench } from './proxy-bench.ts';

let bench: ProxyBench;
beforeEach(() => {
  bench = new ProxyBench();
});

/** Lets the promise of a policy come through. */
async function settled(): Promise<void> {
  await new Promise(setImmediate);
  bench.flush();
}

describe('a phone that joins while it rings', () => {
  it('is not called twice at the same place', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('INVITE', 'sip:bob@example.com');
    expect(bench.observer.forwarded?.addTarget(bench.target(bob))).toBe(false);
    bob.reply(bob.lastRequest('INVITE'), 486);
    expect(bob.methods).toEqual(['INVITE', 'ACK']);
    expect(alice.statuses).toEqual([100, 486]);
  });

  it('has until the end of rejoinMs when the last one has lost its connection', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob', 'ws')];
    bench.forwardTo([bench.target(bob)], { rejoinMs: 300 });
    alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 180);
    bob.flow.close('gone');
    bench.advance(200);
    expect(alice.statuses).toEqual([100, 180]);
    const back = bench.phone('bob-again');
    expect(bench.observer.forwarded?.addTarget(bench.target(back))).toBe(true);
    bench.flush();
    bench.advance(1_000);
    back.reply(back.lastRequest('INVITE'), 200);
    expect(alice.statuses).toEqual([100, 180, 200]);
    bench.expectNothingLeft();
  });

  it('is too late afterwards, and the caller has its 430 by then', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob', 'ws')];
    bench.forwardTo([bench.target(bob)], { rejoinMs: 300 });
    alice.request('INVITE', 'sip:bob@example.com');
    bob.flow.close('gone');
    bench.advance(310);
    expect(alice.statuses).toEqual([100, 430]);
    expect(bench.observer.forwarded?.addTarget(bench.target(bench.phone('late')))).toBe(false);
    bench.expectNothingLeft();
  });

  it('is not waited for by a caller who has hung up', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob', 'ws')];
    bench.forwardTo([bench.target(bob)], { rejoinMs: 60_000 });
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 180);
    bob.flow.close('gone');
    bench.flush();
    alice.send(cancelOf(invite));
    expect(alice.statuses).toEqual([100, 180, 200, 487]);
    bench.expectNothingLeft();
  });
});

describe('a 3xx (RFC 3261 §16.5, §16.7 step 4)', () => {
  const contacts = [
    headerField('Contact', '<sip:second@example.com>;q=0.2'),
    headerField('Contact', '<sip:first@example.com>;q=0.9'),
  ];

  it('goes upstream as it is unless the policy follows it', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 302, 'x', contacts);
    expect(alice.statuses).toEqual([100, 302]);
  });

  it('is followed to where the policy says, and is no answer any more', async () => {
    const [alice, bob, carol] = [bench.phone('alice'), bench.phone('bob'), bench.phone('carol')];
    const asked: (readonly string[])[] = [];
    bench.forwardTo([bench.target(bob)], {
      redirect: async (uris) => {
        asked.push(uris);
        return [bench.target(carol)];
      },
    });
    alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 302, 'x', contacts);
    await settled();
    // The phone's own Contact comes without q, which means 1.
    expect(asked[0]?.slice(1)).toEqual(['sip:first@example.com', 'sip:second@example.com']);
    carol.reply(carol.lastRequest('INVITE'), 486);
    expect(alice.statuses).toEqual([100, 486]);
    bench.expectNothingLeft();
  });

  it('to a place that was tried is the answer: a circle ends', async () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)], { redirect: async () => [bench.target(bob)] });
    alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 302, 'x', contacts);
    await settled();
    expect(alice.statuses).toEqual([100, 302]);
    bench.expectNothingLeft();
  });
});

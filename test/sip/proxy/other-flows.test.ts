import { beforeEach, describe, expect, it } from 'vitest';
import type { ProxyTarget, TargetFailure } from '../../../src/sip/proxy/index.ts';
import type { MemoryPhone } from '../../support/memory-phone.ts';
import { ProxyBench } from './proxy-bench.ts';

let bench: ProxyBench;
beforeEach(() => {
  bench = new ProxyBench();
});

/** One phone with several flows, tried in this order; the fallback is only for a flow that is gone. */
function flowsOf(...flows: readonly MemoryPhone[]): ProxyTarget {
  const [first, ...others] = flows;
  if (first === undefined) throw new Error('a phone needs a flow');
  const next = ({ reason }: TargetFailure): Promise<ProxyTarget | undefined> =>
    Promise.resolve(reason === 'no-flow' && others.length > 0 ? flowsOf(...others) : undefined);
  return { ...bench.target(first), failover: { next } };
}

/** Lets the promise of a next flow come through. */
async function settled(): Promise<void> {
  await new Promise(setImmediate);
  bench.flush();
}

describe('several flows of one phone (RFC 5626 §5.3)', () => {
  it('are tried one after another, while another phone rings on', async () => {
    const [alice, desk] = [bench.phone('alice'), bench.phone('desk')];
    const first = bench.phone('first', 'tcp');
    const [second, third] = [bench.phone('second', 'tcp'), bench.phone('third', 'tcp')];
    bench.forwardTo([flowsOf(first, second, third), bench.target(desk)]);
    alice.request('INVITE', 'sip:bob@example.com');
    desk.reply(desk.lastRequest('INVITE'), 180);
    expect([first.methods, second.methods]).toEqual([['INVITE'], []]);
    first.flow.close('the socket is gone');
    await settled();
    expect([second.methods, third.methods]).toEqual([['INVITE'], []]);
    second.reply(second.lastRequest('INVITE'), 430);
    await settled();
    expect(third.methods).toEqual(['INVITE']);
    third.reply(third.lastRequest('INVITE'), 200);
    desk.reply(desk.lastRequest('CANCEL'), 200);
    desk.reply(desk.lastRequest('INVITE'), 487);
    expect(alice.statuses).toEqual([100, 180, 200]);
    bench.expectNothingLeft();
  });

  it('are left alone when the phone has declined', async () => {
    const [alice, first, second] = [bench.phone('alice'), bench.phone('first'), bench.phone('second')];
    bench.forwardTo([flowsOf(first, second)]);
    alice.request('INVITE', 'sip:bob@example.com');
    first.reply(first.lastRequest('INVITE'), 486);
    await settled();
    expect(alice.statuses).toEqual([100, 486]);
    expect(second.methods).toEqual([]);
    bench.expectNothingLeft();
  });

  it('answer 430 when the last of them is gone too', async () => {
    const alice = bench.phone('alice');
    const [first, second] = [bench.phone('first', 'tcp'), bench.phone('second', 'tcp')];
    bench.forwardTo([flowsOf(first, second)]);
    first.flow.close('gone');
    second.flow.close('gone');
    alice.request('INVITE', 'sip:bob@example.com');
    await settled();
    await settled();
    expect(alice.statuses).toEqual([100, 430]);
    bench.expectNothingLeft();
  });
});

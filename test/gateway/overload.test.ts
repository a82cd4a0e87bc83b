import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerValue } from '../../src/sip/index.ts';
import { establish, exchange } from '../support/sip-call.ts';
import { TestGateway } from '../support/test-gateway.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.open({
    set: [
      'limits.overload.callsPerSecondPerIdentity=1',
      'limits.overload.retryAfterSeconds=3',
      'limits.overload.sampleMs=10',
      'limits.overload.maxLagMs=10',
      'limits.overload.minCallsPerSecond=0',
    ],
  });
});
afterAll(() => gateway.close());

/** Keeps this process, and the gateway in it, from its work. */
function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 11));

describe('an identity that calls too often', () => {
  it('gets 503 with Retry-After, while its call goes on and others call', async () => {
    const [caller, other, callee] = await Promise.all(
      ['often', 'seldom', 'called'].map((name) => gateway.keyPhone(name, 'ws')),
    );
    if (caller === undefined || other === undefined || callee === undefined) throw new Error('no phones');
    for (const phone of [caller, other, callee]) await phone.register();
    const call = await establish(caller, callee);
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { response } = await caller.ask('INVITE', `sip:nobody@${gateway.domain}`);
      statuses.push(response.status);
      if (response.status === 503) expect(headerValue(response, 'retry-after')).toBe('3');
    }
    expect(statuses).toContain(503);
    expect((await other.ask('INVITE', `sip:nobody@${gateway.domain}`)).response.status).toBe(404);
    expect((await exchange(caller, callee, call.callerSide, 'BYE')).response.status).toBe(200);
  });
});

describe('a gateway whose loop falls behind', () => {
  it('refuses new calls, keeps calls that are up and registrations, and recovers', async () => {
    const [caller, callee] = await Promise.all(['busy', 'peer'].map((name) => gateway.keyPhone(name, 'ws')));
    if (caller === undefined || callee === undefined) throw new Error('no phones');
    for (const phone of [caller, callee]) await phone.register();
    const call = await establish(caller, callee);
    for (let i = 0; i < 20; i++) {
      block(35);
      await new Promise(setImmediate);
    }
    const { response } = await caller.ask('INVITE', callee.address);
    expect(response.status).toBe(503);
    expect((await exchange(callee, caller, call.calleeSide, 'BYE')).response.status).toBe(200);
    for (let i = 0; i < 60; i++) await turn();
    expect((await callee.ask('INVITE', `sip:nobody@${gateway.domain}`)).response.status).toBe(404);
  });
});

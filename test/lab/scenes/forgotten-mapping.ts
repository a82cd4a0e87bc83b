import assert from 'node:assert/strict';
import { until } from '../../support/until.ts';
import { Crowd } from '../crowd.ts';
import { carrierNat } from '../nat-behaviour.ts';
import type { Scene } from './scene.ts';

/** Shorter than any real NAT's, longer than what the gateway asks phones to keep. */
const udpTimeoutSeconds = 8;
const instance = '<urn:uuid:6a1c9b8e-4b1f-4f0e-9d5c-2a3f1d9e7b10>';

export const forgottenMappingNames: readonly string[] = ['kept', 'two-flows', 'caller'];
/** The gateway must ask for keepalives more often than the NAT forgets. */
export const forgottenMappingSettings: readonly string[] = ['limits.transport.udpKeepSeconds=5'];

export const forgottenMapping: Scene = {
  title: 'a NAT forgets what is silent: keepalives prevent it, and a flow that died all the same is replaced',
  play: async ({ lab, say }) => {
    const { network } = lab;
    await network.setCarrier('a', { ...carrierNat, udpTimeoutSeconds });
    await lab.phone('baresip', 'kept', { home: 'a2', address: '10.0.0.20' });
    const member = (regId: number, keepaliveMs: number): Parameters<typeof Crowd.open>[1]['members'][0] => ({
      name: 'two-flows',
      password: lab.password('two-flows'),
      address: `10.0.0.${20 + regId}`,
      keepaliveMs,
      flow: { instance, regId },
    });
    const phone = await Crowd.open(network, {
      name: 'two-flows',
      home: 'a1',
      members: [member(1, 3_000), member(2, 0)],
    });
    const dying = portOf((await lab.registered('two-flows', 2)).eromheen['source']);
    const kept = portOf((await lab.registered('kept')).eromheen['source']);
    say(
      `the carrier forgets silent mappings after ${udpTimeoutSeconds} s; one flow of two sends no keepalives`,
    );
    await until('the NAT has forgotten', async () => !(await network.mappings('a')).includes(dying), 30_000);
    assert.ok((await network.mappings('a')).includes(kept), 'baresip has kept its mapping alive');
    say(`it has forgotten port ${dying}; baresip's keepalives have kept port ${kept}`);

    const caller = await Crowd.open(network, {
      name: 'caller',
      home: 'b1',
      members: [{ name: 'caller', password: lab.password('caller'), address: '10.0.0.20', keepaliveMs: 0 }],
    });
    const call = async (callee: string, nth: number): Promise<{ status: string; tookMs: number }> => {
      caller.call('caller', callee);
      const [, , , , status = '', tookMs] = (await caller.says('call', nth)).at(-1)?.split(' ') ?? [];
      return { status, tookMs: Number(tookMs) };
    };
    const first = await call('two-flows', 1);
    assert.equal(first.status, '200');
    assert.deepEqual(await phone.says('rung', 1), ['rung two-flows 1']);
    say(`the dead flow was noticed; the call took the other one and was answered after ${first.tookMs} ms`);
    const second = await call('two-flows', 2);
    assert.equal(second.status, '200');
    assert.deepEqual(await phone.says('rung', 2), ['rung two-flows 1', 'rung two-flows 1']);
    assert.ok(second.tookMs < 1_000, `${second.tookMs} ms`);
    say(`the next call took the living flow at once: ${second.tookMs} ms`);
    const third = await call('kept', 3);
    assert.equal(third.status, '200');
    say(`baresip, idle for longer than the NAT remembers, was reached after ${third.tookMs} ms`);
    for (const crowd of [phone, caller]) crowd.close();
    await network.setCarrier('a', carrierNat);
  },
};

function portOf(source: unknown): number {
  return Number(String(source).split(':').at(-1));
}

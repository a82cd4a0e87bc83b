import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { decodeIntentToken, verifyIntentToken } from '../../src/tokens/index.ts';
import { TestGateway } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';
import { ProbedPhone, type ProbedPhoneOptions } from './probed-phone.ts';

let gateway: TestGateway;
const phones: ProbedPhone[] = [];

beforeAll(async () => {
  gateway = await TestGateway.open();
});
afterEach(async () => {
  await Promise.all(phones.splice(0).map((phone) => phone.close()));
});
afterAll(() => gateway.close());

async function phone(name: string, options: Partial<ProbedPhoneOptions> = {}): Promise<ProbedPhone> {
  const opened = await ProbedPhone.register({ name, port: gateway.port('ws'), ...options });
  phones.push(opened);
  return opened;
}

describe('a call between two softphones', () => {
  it('is answered, and the callee holds a token that verifies under the caller’s own key', async () => {
    const alice = await phone('alice-1');
    const bob = await phone('bob-1', { answers: true });
    const call = await alice.callAnswered('jis:bob-1', 'Rückruf, ticket 4711 ☎');
    const { call: heard } = await bob.next('incoming');
    expect(heard).toMatchObject({ direction: 'incoming', remote: 'sip:alice-1@sip.test' });
    const token = decodeIntentToken(heard.intentToken ?? '');
    expect(verifyIntentToken(token, alice.identity.token.publicKey)).toBe(true);
    expect(token.intent.text).toBe('Rückruf, ticket 4711 ☎');
    expect(token.assurance).toBe(3);
    await call.hangUp();
    expect(await bob.next('ended')).toMatchObject({ call: heard, reason: 'hung up by the other side' });
    expect(await alice.next('ended')).toMatchObject({ call, status: undefined });
  });

  it('shows ringing before it is answered, and can be ended by the callee', async () => {
    const alice = await phone('alice-2');
    const bob = await phone('bob-2');
    const call = await alice.phone.call('bob-2');
    expect(await alice.next('progress')).toMatchObject({ call, status: 180 });
    const { call: heard } = await bob.next('incoming');
    await heard.answer();
    await alice.next('answered');
    await heard.hangUp();
    expect(await alice.next('ended')).toMatchObject({ call, reason: 'hung up by the other side' });
  });

  it('declares a purpose when nobody gives one, and cuts one that is too long for a token', async () => {
    const alice = await phone('alice-3');
    const bob = await phone('bob-3', { answers: true });
    const texts: string[] = [];
    for (const intent of ['', 'x'.repeat(2_000)]) {
      const call = await alice.callAnswered('bob-3', intent);
      const { call: heard } = await bob.next('incoming');
      texts.push(decodeIntentToken(heard.intentToken ?? '').intent.text);
      await call.hangUp();
    }
    expect(texts[0]).toBe('voice call to bob-3');
    expect(texts[1]).toMatch(/^x{200,512}$/);
  });

  it('declares for each of two calls its own purpose', async () => {
    const alice = await phone('alice-4');
    const bob = await phone('bob-4', { answers: true });
    await Promise.all([alice.phone.call('bob-4', 'first'), alice.phone.call('bob-4', 'second')]);
    const heard = [await bob.next('incoming'), await bob.next('incoming')];
    const texts = heard.map(({ call }) => decodeIntentToken(call.intentToken ?? '').intent.text);
    expect(texts.toSorted()).toEqual(['first', 'second']);
  });

  it('is cancelled before it is answered (RFC 3261 §9.1)', async () => {
    const alice = await phone('alice-5');
    const bob = await phone('bob-5');
    const call = await alice.phone.call('bob-5');
    const { call: heard } = await bob.next('incoming');
    await alice.next('progress');
    await call.hangUp();
    expect(await alice.next('ended')).toMatchObject({ call, status: 487 });
    expect(await bob.next('ended')).toMatchObject({ call: heard, status: 487 });
    expect(alice.story).not.toContain('answered');
  });

  it('tells the caller with which status it was refused', async () => {
    const alice = await phone('alice-6');
    const bob = await phone('bob-6');
    for (const [status, expected] of [
      [undefined, 603],
      [486, 486],
    ] as const) {
      const call = await alice.phone.call('bob-6');
      const { call: heard } = await bob.next('incoming');
      await heard.hangUp(status);
      expect(await alice.next('ended')).toMatchObject({ call, status: expected });
    }
    const unknown = await alice.phone.call('jis:nobody');
    expect(await alice.next('ended')).toMatchObject({ call: unknown, status: 404, reason: 'Not Found' });
  });

  it('leaves a call that is up alone while another one comes in', async () => {
    const [alice, bob, carol] = [
      await phone('alice-7', { answers: true }),
      await phone('bob-7'),
      await phone('carol-7'),
    ];
    const up = await bob.callAnswered('alice-7');
    await carol.phone.call('bob-7');
    const { call: second } = await bob.next('incoming');
    await second.hangUp(486);
    expect(await carol.next('ended')).toMatchObject({ status: 486 });
    expect(bob.events.filter((event) => event.kind === 'ended').map(({ call }) => call)).toEqual([second]);
    await up.hangUp();
    await alice.next('ended');
  });

  it('rings at both phones of one identity; busy on one leaves the other ringing', async () => {
    const desk = await phone('bob-8');
    const mobile = await phone('bob-8', { identity: desk.identity });
    const alice = await phone('alice-8');
    const call = await alice.phone.call('bob-8');
    const [atDesk, onMobile] = [await desk.next('incoming'), await mobile.next('incoming')];
    await atDesk.call.hangUp(486);
    await onMobile.call.answer();
    expect(await alice.next('answered')).toMatchObject({ call });
    await call.hangUp();
    await mobile.next('ended');
  });

  it('reaches a name of several segments, which SIP.js would write as user and password', async () => {
    const laptop = await phone('laptop:jasper', { answers: true });
    const alice = await phone('alice-9');
    const call = await alice.callAnswered('jis:laptop:jasper');
    const { call: heard } = await laptop.next('incoming');
    // The callee ends it: its BYE names itself in From, Alice in To.
    await heard.hangUp();
    expect(await alice.next('ended')).toMatchObject({ call });
    const back = await laptop.phone.call('alice-9');
    expect((await alice.next('incoming')).call.callId).toBe(back.callId);
    await back.hangUp();
    await alice.next('ended');
  });

  it('cannot be placed to what makes no address', async () => {
    const alice = await phone('alice-10');
    await expect(alice.phone.call('two words')).rejects.toThrow('two words at sip.test is no SIP address');
    await expect(alice.phone.call('')).rejects.toThrow('is no SIP address');
  });

  it('ends all calls and unregisters when the phone is closed', async () => {
    const alice = await phone('alice-11');
    const bob = await phone('bob-11', { answers: true });
    await alice.callAnswered('bob-11');
    await alice.close();
    expect(alice.story.slice(-2)).toEqual(['ended', 'unregistered']);
    await bob.next('ended');
    const carol = await phone('carol-11');
    await carol.phone.call('alice-11');
    expect(await carol.next('ended')).toMatchObject({ status: 480 });
    await until('the removal is on record', async () =>
      (await gateway.records()).some(
        ({ event, erin }) => event === 'registration.removed' && erin['identity'] === 'jis:alice-11',
      ),
    );
  });
});

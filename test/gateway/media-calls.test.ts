import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { headerField, headerValue } from '../../src/sip/index.ts';
import { RtpPhone } from '../media/support/rtp-phone.ts';
import { callWithMedia, placeIn, sdpFor, sdpType, type Talker, talk, textOf } from '../support/media-call.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { exchange } from '../support/sip-call.ts';
import { callerDialog, cancelOf } from '../support/sip-dialog.ts';
import { newIdentity, TestGateway } from '../support/test-gateway.ts';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function gatewayWith(...set: readonly string[]): Promise<TestGateway> {
  const gateway = await TestGateway.open({ set: ['media.mode=relay', 'media.ports=25000-25199', ...set] });
  closers.push(() => gateway.close());
  return gateway;
}

async function talker(agent: SipAgent): Promise<Talker> {
  const media = await RtpPhone.open();
  closers.push(() => media.close());
  return { agent, media };
}

async function phones(gateway: TestGateway): Promise<{ alice: Talker; bob: Talker }> {
  const [alice, bob] = [await gateway.keyPhone('alice', 'tcp'), await gateway.keyPhone('bob', 'tcp')];
  for (const phone of [alice, bob]) expect((await phone.register()).status).toBe(200);
  return { alice: await talker(alice), bob: await talker(bob) };
}

const bodyOf = (text: string) => ({ body: Buffer.from(text), contentType: sdpType });

describe('media of a forked call', () => {
  test('has ports of its own for each phone, and those of who did not answer are free again', async () => {
    const gateway = await gatewayWith('media.ports=25200-25215');
    const identity = newIdentity('jis:carol');
    const caller = await talker(await gateway.keyPhone('alice', 'tcp'));
    expect((await caller.agent.register()).status).toBe(200);
    const phonesOfCarol = [];
    for (const n of [1, 2]) {
      const agent = await gateway.keyPhone('carol', 'tcp', { identity });
      const instance = `"<urn:uuid:00000000-0000-1000-8000-00000000000${n}>"`;
      const contact = `${agent.contact};+sip.instance=${instance};reg-id=1`;
      expect(
        (await agent.register({ contact, headers: [headerField('Supported', 'outbound')] })).status,
      ).toBe(200);
      phonesOfCarol.push(await talker(agent));
    }
    const [desk, mobile] = phonesOfCarol;
    if (desk === undefined || mobile === undefined) throw new Error('two phones');
    // The range has eight pairs: without those of the other branches a third call would find none.
    for (let round = 0; round < 3; round++) {
      const { request } = await caller.agent.begin('INVITE', desk.agent.address, {
        body: sdpFor(caller.media),
        contentType: sdpType,
      });
      const [atDesk, atMobile] = [await desk.agent.incoming('INVITE'), await mobile.agent.incoming('INVITE')];
      expect(placeIn(atDesk).port).not.toBe(placeIn(atMobile).port);
      desk.agent.reply(atDesk, 183, [], bodyOf(sdpFor(desk.media)));
      const early = await caller.agent.provisional(request, 183);
      await talk(
        caller.media,
        desk.media,
        { toCaller: placeIn(early), toCallee: placeIn(atDesk) },
        `early ${round}`,
      );
      mobile.agent.reply(atMobile, 200, [], bodyOf(sdpFor(mobile.media)));
      const answer = await caller.agent.final(request);
      expect(placeIn(answer).port).not.toBe(placeIn(early).port);
      const cancel = await desk.agent.incoming('CANCEL');
      desk.agent.reply(cancel, 200);
      desk.agent.reply(atDesk, 487);
      const dialog = callerDialog(answer);
      caller.agent.inDialog(dialog, 'ACK');
      await talk(
        caller.media,
        mobile.media,
        { toCaller: placeIn(answer), toCallee: placeIn(atMobile) },
        `up ${round}`,
      );
      await exchange(caller.agent, mobile.agent, dialog, 'BYE');
      const { media } = await gateway.closingOf(request.callId);
      expect(media).toHaveLength(4);
    }
  });

  test('goes to the phone that answered last when a fork further on answers twice (RFC 3261 §13.2.2.4)', async () => {
    const { alice, bob } = await phones(await gatewayWith());
    const other = await talker(bob.agent);
    const { request } = await alice.agent.begin('INVITE', bob.agent.address, {
      body: sdpFor(alice.media),
      contentType: sdpType,
    });
    const invite = await bob.agent.incoming('INVITE');
    bob.agent.reply(invite, 183, [], bodyOf(sdpFor(bob.media)));
    const early = await alice.agent.provisional(request, 183);
    bob.agent.reply(invite, 200, [], bodyOf(sdpFor(other.media)));
    const answer = await alice.agent.final(request);
    expect(placeIn(answer)).toEqual(placeIn(early));
    await talk(alice.media, other.media, { toCaller: placeIn(answer), toCallee: placeIn(invite) });
  });
});

describe('offers within a dialog', () => {
  test('are answered in the response to an UPDATE (RFC 3311)', async () => {
    const { alice, bob } = await phones(await gatewayWith());
    const call = await callWithMedia(alice, bob);
    await talk(alice.media, bob.media, call);
    const elsewhere = await talker(bob.agent);
    const update = bob.agent.inDialog(call.calleeSide, 'UPDATE', {
      body: sdpFor(elsewhere.media),
      contentType: sdpType,
    });
    const arrived = await alice.agent.incoming('UPDATE');
    expect(placeIn(arrived)).toEqual(call.toCaller);
    alice.agent.reply(arrived, 200, [], bodyOf(sdpFor(alice.media)));
    expect(placeIn(await bob.agent.final(update))).toEqual(call.toCallee);
    await talk(alice.media, elsewhere.media, call, 'from elsewhere');
  });

  test('that come in a reliable 183 are answered in the PRACK (RFC 3262 §5)', async () => {
    const { alice, bob } = await phones(await gatewayWith());
    const { request } = await alice.agent.begin('INVITE', bob.agent.address, {
      headers: [headerField('Supported', '100rel')],
    });
    const invite = await bob.agent.incoming('INVITE');
    const reliable = [headerField('Require', '100rel'), headerField('RSeq', '1')];
    bob.agent.reply(invite, 183, reliable, bodyOf(sdpFor(bob.media)));
    const early = await alice.agent.provisional(request, 183);
    const dialog = callerDialog(early);
    const prack = alice.agent.inDialog(dialog, 'PRACK', {
      headers: [headerField('RAck', `${headerValue(early, 'rseq')} ${request.cseq.number} INVITE`)],
      body: sdpFor(alice.media),
      contentType: sdpType,
    });
    const acknowledged = await bob.agent.incoming('PRACK');
    bob.agent.reply(acknowledged, 200);
    await alice.agent.final(prack);
    await talk(alice.media, bob.media, { toCaller: placeIn(early), toCallee: placeIn(acknowledged) });
  });

  test('that are declined leave the call as it was (RFC 3261 §14.1)', async () => {
    const { alice, bob } = await phones(await gatewayWith());
    const call = await callWithMedia(alice, bob);
    const again = alice.agent.inDialog(call.callerSide, 'INVITE', {
      body: sdpFor(alice.media),
      contentType: sdpType,
    });
    bob.agent.reply(await bob.agent.incoming('INVITE'), 491);
    expect((await alice.agent.final(again)).status).toBe(491);
    await talk(alice.media, bob.media, call);
  });
});

describe('a phone that has moved', () => {
  test('is heard from its new place once its identity has registered there, without a re-INVITE', async () => {
    const gateway = await gatewayWith();
    const identity = newIdentity('jis:dave');
    const { bob } = await phones(gateway);
    const dave = await talker(await gateway.keyPhone('dave', 'udp', { identity }));
    await dave.agent.register();
    const call = await callWithMedia(dave, bob);
    await talk(dave.media, bob.media, call);
    const moved = await talker(await gateway.keyPhone('dave', 'udp', { identity }));
    for (let i = 0; i < 10; i++) moved.media.say('too early', call.toCaller.port);
    expect((await moved.agent.register()).status).toBe(200);
    await talk(moved.media, bob.media, call, 'moved');
    expect(bob.media.texts.some((text) => text.includes('too early'))).toBe(false);
  });
});

describe('a call whose media ends', () => {
  test('is closed as lost when nothing comes any more, and anchored again when a party speaks', async () => {
    const gateway = await gatewayWith('limits.media.silenceMs=300', 'limits.media.sweepIntervalMs=20');
    const { alice, bob } = await phones(gateway);
    const call = await callWithMedia(alice, bob);
    await talk(alice.media, bob.media, call);
    const closing = await gateway.closingOf(call.invite.callId);
    expect(closing).toMatchObject({ outcome: 'lost', by: 'gateway' });
    expect(closing['media']).toHaveLength(2);

    const again = bob.agent.inDialog(call.calleeSide, 'INVITE', bodyTextOf(bob));
    const arrived = await alice.agent.incoming('INVITE');
    alice.agent.reply(arrived, 200, [], bodyOf(sdpFor(alice.media)));
    const answer = await bob.agent.final(again);
    bob.agent.inDialog(call.calleeSide, 'ACK', { cseq: again.cseq.number });
    await talk(alice.media, bob.media, { toCaller: placeIn(arrived), toCallee: placeIn(answer) }, 'again');
  });

  test('frees its ports when the caller gives up', async () => {
    const gateway = await gatewayWith('media.ports=25200-25207');
    const { alice, bob } = await phones(gateway);
    for (let i = 0; i < 10; i++) {
      const { request } = await alice.agent.begin('INVITE', bob.agent.address, bodyTextOf(alice));
      const invite = await bob.agent.incoming('INVITE');
      bob.agent.reply(invite, 180);
      await alice.agent.provisional(request, 180);
      alice.agent.send(cancelOf(request));
      bob.agent.reply(await bob.agent.incoming('CANCEL'), 200);
      bob.agent.reply(invite, 487);
      expect((await alice.agent.final(request)).status).toBe(487);
    }
  });
});

describe('a gateway that cannot anchor', () => {
  test('says so when it has no ports left, and takes calls again when it has', async () => {
    const gateway = await gatewayWith('media.ports=25200-25203');
    const { alice, bob } = await phones(gateway);
    const call = await callWithMedia(alice, bob);
    const { response } = await alice.agent.ask('INVITE', bob.agent.address, bodyTextOf(alice));
    expect(response).toMatchObject({ status: 500, reason: 'No Media Ports Left' });
    await exchange(alice.agent, bob.agent, call.callerSide, 'BYE');
    await talk(alice.media, bob.media, await callWithMedia(alice, bob), 'after');
  });

  test('answers 503 while its relay is gone, keeps the calls that are up, and takes new ones by itself', async () => {
    const workers: Worker[] = [];
    const noteWorker = (message: unknown): void =>
      void workers.push((message as { readonly worker: Worker }).worker);
    subscribe('worker_threads', noteWorker);
    const gateway = await gatewayWith();
    unsubscribe('worker_threads', noteWorker);
    const { alice, bob } = await phones(gateway);
    const call = await callWithMedia(alice, bob);
    await talk(alice.media, bob.media, call);
    expect(workers).toHaveLength(1);
    await workers[0]?.terminate();
    const { request, response } = await alice.agent.ask('INVITE', bob.agent.address, bodyTextOf(alice));
    expect(response).toMatchObject({ status: 503, reason: 'Media Relay Unavailable' });
    expect(response.headers.find(({ name }) => name === 'retry-after')?.value).toBe('5');
    expect(await gateway.closingOf(request.callId)).toMatchObject({ status: 503, by: 'gateway' });
    await talk(alice.media, bob.media, call, 'after');
    await talk(alice.media, bob.media, await callWithMedia(alice, bob), 'anew');
  });
});

describe('a call between phones that reach each other', () => {
  const contactAt = (host: string, port: number) => ({
    contact: `<sip:phone@${host}:${port};transport=tcp>`,
  });

  test('bypasses the relay when neither is behind a NAT and the operator named their network', async () => {
    const gateway = await gatewayWith('media.direct=127.0.0.0/8');
    const [alice, bob] = [await gateway.keyPhone('alice', 'tcp'), await gateway.keyPhone('bob', 'tcp')];
    for (const phone of [alice, bob]) await phone.register(contactAt('127.0.0.1', 9));
    const caller = await talker(alice);
    const offer = { body: sdpFor(caller.media), contentType: sdpType };
    const { request } = await alice.begin('INVITE', bob.address, { ...offer, ...contactAt('127.0.0.1', 9) });
    const invite = await bob.incoming('INVITE');
    expect(textOf(invite)).toBe(offer.body);
    bob.reply(invite, 486);
    await alice.final(request);
    // Its Contact shows a phone that does not know the address under which it is seen.
    const behindNat = await alice.begin('INVITE', bob.address, { ...offer, ...contactAt('192.168.1.5', 9) });
    const anchored = await bob.incoming('INVITE');
    expect(textOf(anchored)).not.toBe(offer.body);
    bob.reply(anchored, 486);
    await alice.final(behindNat.request);
  });

  test('does not bypass it unless it was asked to', async () => {
    const gateway = await gatewayWith();
    const { alice, bob } = await phones(gateway);
    const call = await callWithMedia(alice, bob);
    expect(call.toCallee.port).not.toBe(alice.media.port);
  });
});

function bodyTextOf({ media }: Talker): { readonly body: string; readonly contentType: string } {
  return { body: sdpFor(media), contentType: sdpType };
}

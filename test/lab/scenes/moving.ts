import assert from 'node:assert/strict';
import type { Ear } from '../ear.ts';
import type { LabPhone } from '../phones/phone.ts';
import { callAndListen, hangUp, inWords, type Sound, soundOf } from './call.ts';
import { appear } from './cast.ts';
import type { Scene, Stage } from './scene.ts';

/** From the phone's first sign of life at its new address until each hears the other again. */
const soundWithinMs = 3_000;
const silentForMs = 400;
const patienceMs = 10_000;

interface Ears {
  readonly atMover: Ear;
  readonly atPeer: Ear;
}

function listen(mover: LabPhone, peer: LabPhone): Ears {
  return { atMover: mover.listenFor(peer.toneHertz), atPeer: peer.listenFor(mover.toneHertz) };
}

/** The phone registers from elsewhere: what was heard since then, and when that was. */
async function backAfterRegistering(
  { lab }: Stage,
  mover: LabPhone,
  peer: LabPhone,
  registrations: number,
): Promise<{ registeredMs: number; moverHears: Sound; peerHears: Sound; source: string }> {
  const record = await lab.registered(mover.name, registrations + 1);
  const registeredMs = performance.now();
  const { atMover, atPeer } = listen(mover, peer);
  const [atMoverHeard, atPeerHeard] = await Promise.all([atMover.tone(patienceMs), atPeer.tone(patienceMs)]);
  return {
    registeredMs,
    moverHears: soundOf(mover, peer, atMoverHeard, registeredMs, soundWithinMs),
    peerHears: soundOf(peer, mover, atPeerHeard, registeredMs, soundWithinMs),
    source: String(record.eromheen['source']),
  };
}

export const movedPhone: Scene = {
  title: 'a phone changes its network in mid-call: another home, another carrier, another address',
  play: async (stage) => {
    const { lab, say } = stage;
    const [mover, peer] = [await appear(stage, 'dave'), await appear(stage, 'alice')];
    const before = await lab.registered('dave');
    const registrations = await lab.registrations('dave');
    await callAndListen(peer, mover);
    const { atPeer } = listen(mover, peer);
    await lab.network.movePhone('dave', { home: 'a2', address: '10.0.0.77' });
    const movedMs = performance.now();
    assert.ok(await atPeer.silence(silentForMs, patienceMs), 'a phone without a network is not heard');
    const { registeredMs, moverHears, peerHears, source } = await backAfterRegistering(
      stage,
      mover,
      peer,
      registrations,
    );
    const noticedMs = Math.round(registeredMs - movedMs);
    say(`dave was at ${String(before.eromheen['source'])}, comes back at ${source}`);
    say(
      `it noticed after ${noticedMs} ms; dave hears ${inWords(moverHears)}, alice hears ${inWords(peerHears)}`,
    );
    await hangUp(peer, mover);
  },
};

export const renumberedMapping: Scene = {
  title: 'a carrier renumbers its mappings in mid-call: the phone registers again and is heard again',
  play: async (stage) => {
    const { lab, say } = stage;
    const [mover, peer] = [await appear(stage, 'bob'), await appear(stage, 'carol')];
    const registrations = await lab.registrations('bob');
    await callAndListen(mover, peer);
    await lab.network.forgetMappings('carrier-b');
    mover.register();
    const { moverHears, peerHears, source } = await backAfterRegistering(stage, mover, peer, registrations);
    say(`bob comes back at ${source}; bob hears ${inWords(moverHears)}, carol hears ${inWords(peerHears)}`);
    await hangUp(mover, peer);
  },
};

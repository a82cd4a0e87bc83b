import assert from 'node:assert/strict';
import type { StoredRecord } from '../../../src/provenance/index.ts';
import { until } from '../../support/until.ts';
import type { Heard } from '../ear.ts';
import { sourceOf } from '../lab.ts';
import type { LabPhone } from '../phones/phone.ts';
import { callAndListen, hangUp, inWords, type Sound, soundOf } from './call.ts';
import { appear } from './cast.ts';
import type { Scene, Stage } from './scene.ts';

/** From the phone's first sign of life at its new address until each hears the other again. */
const soundWithinMs = 3_000;
const patienceMs = 10_000;

interface Return {
  readonly source: string;
  readonly registeredMs: number;
  readonly moverHears: Sound;
  readonly peerHears: Sound;
}

/** Waits for the phone's registration from one place more than before, and for what is heard since then. */
async function comesBack({ lab }: Stage, mover: LabPhone, peer: LabPhone, places: number): Promise<Return> {
  const source = sourceOf(await lab.registered(mover.name, places + 1));
  const registeredMs = performance.now();
  const [atMover, atPeer] = await hear(mover, peer);
  const heard = {
    source,
    registeredMs,
    moverHears: soundOf(mover, peer, atMover, registeredMs, soundWithinMs),
    peerHears: soundOf(peer, mover, atPeer, registeredMs, soundWithinMs),
  };
  // What had been on its way before the move is over by now.
  const [still, stillAtPeer] = await hear(mover, peer);
  assert.ok(still !== undefined && stillAtPeer !== undefined, 'both go on hearing each other');
  return heard;
}

/** What both hear from now on. */
function hear(one: LabPhone, other: LabPhone): Promise<[Heard | undefined, Heard | undefined]> {
  const ears = [one.listenFor(other.toneHertz), other.listenFor(one.toneHertz)] as const;
  return Promise.all([ears[0].tone(patienceMs), ears[1].tone(patienceMs)]);
}

/** How often the audio of a phone has moved in the last call, as the call's closing record tells it. */
async function movesOnRecord({ lab }: Stage, mover: string): Promise<number> {
  const call = (await lab.records('call.answer')).at(-1)?.erin['call'];
  let end: StoredRecord | undefined;
  await until('the call is closed on record', async () => {
    end = (await lab.records('call.end')).find(({ erin }) => erin['call'] === call);
    return end !== undefined;
  });
  const { caller, media } = end?.erin ?? {};
  const side = caller === `jis:${mover}` ? 'caller' : 'callee';
  const streams: readonly { from: string; moves: number }[] = Array.isArray(media) ? media : [];
  return streams.reduce((sum, { from, moves }) => (from === side ? sum + moves : sum), 0);
}

export const movedPhone: Scene = {
  title: 'a phone changes its network in mid-call: another home, another carrier, another address',
  play: async (stage) => {
    const { lab, say } = stage;
    const [mover, peer] = [await appear(stage, 'dave'), await appear(stage, 'alice')];
    const before = sourceOf(await lab.registered('dave'));
    await callAndListen(peer, mover);
    const places = await lab.places('dave');
    await lab.network.movePhone('dave', { home: 'a2', address: '10.0.0.77' });
    const movedMs = performance.now();
    const { source, registeredMs, moverHears, peerHears } = await comesBack(stage, mover, peer, places);
    say(
      `dave was ${before}, comes back as ${source}: linphone noticed after ${Math.round(registeredMs - movedMs)} ms`,
    );
    say(`dave hears ${inWords(moverHears)}, alice hears ${inWords(peerHears)}`);
    await hangUp(peer, mover);
    say('alice hangs up, and dave is told at his new place');
    const moves = await movesOnRecord(stage, 'dave');
    assert.ok(moves > 0, 'the record of the call tells the move');
    say(`the record of the call tells it: dave's audio came from another place from then on`);
  },
};

export const renumberedMapping: Scene = {
  title: 'a carrier renumbers its mappings in mid-call: a phone with a short registration is heard again',
  play: async (stage) => {
    const { lab, say } = stage;
    const [mover, peer] = [await appear(stage, 'frank'), await appear(stage, 'carol')];
    await callAndListen(mover, peer);
    const places = await lab.places('frank');
    await lab.network.forgetMappings('carrier-b');
    const { source, moverHears, peerHears } = await comesBack(stage, mover, peer, places);
    say(`frank comes back as ${source}; he hears ${inWords(moverHears)}, carol hears ${inWords(peerHears)}`);
    await hangUp(mover, peer);
    assert.ok((await movesOnRecord(stage, 'frank')) > 0, 'the record of the call tells the move');
  },
};

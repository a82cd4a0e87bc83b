import assert from 'node:assert/strict';
import { Crowd } from '../crowd.ts';
import { homeNames, sharedAddress } from '../network.ts';
import type { Scene } from './scene.ts';

const phonesInHome = 50;

export const crowdNames: readonly string[] = Array.from(
  { length: homeNames.length * phonesInHome },
  (_, at) => `desk-${String(at + 1).padStart(3, '0')}`,
);

/** Each calls the phone that has the same inside address one home further, so that addresses alone would mislead. */
function calleeOf(at: number): string {
  return crowdNames[(at + phonesInHome) % crowdNames.length] ?? '';
}

export const twoHundredPhones: Scene = {
  title: `${crowdNames.length} phones behind one public address, each called by its own identity`,
  play: async ({ lab, say }) => {
    const crowds = await Promise.all(
      homeNames.map((home, at) => {
        const names = crowdNames.slice(at * phonesInHome, (at + 1) * phonesInHome);
        const members = names.map((name, nth) => ({
          name,
          password: lab.password(name),
          address: `10.0.1.${nth + 1}`,
          keepaliveMs: 20_000,
        }));
        return Crowd.open(lab.network, { name: `crowd-${home}`, home, members });
      }),
    );
    const sources = (await lab.records('registration.added'))
      .filter(({ erin }) => String(erin['identity']).startsWith('jis:desk-'))
      .map(({ eromheen }) => String(eromheen['source']));
    const addresses = new Set(sources.map((source) => source.slice(0, source.lastIndexOf(':'))));
    assert.deepEqual([...addresses], [sharedAddress]);
    say(
      `${new Set(sources).size} flows from ${sharedAddress}; inside, 4 homes use the same ${phonesInHome} addresses`,
    );
    for (const [at, name] of crowdNames.entries())
      crowds[Math.floor(at / phonesInHome)]?.call(name, calleeOf(at));
    const calls = await Promise.all(crowds.map((crowd) => crowd.says('call', phonesInHome)));
    const wrong = calls.flat().filter((line) => {
      const [, , called, answered, status] = line.split(' ');
      return status !== '200' || called !== answered;
    });
    assert.deepEqual(wrong, [], 'a call reached a wrong phone, or none');
    const rung = (await Promise.all(crowds.map((crowd) => crowd.says('rung', phonesInHome)))).flat();
    assert.equal(new Set(rung.map((line) => line.split(' ')[1])).size, crowdNames.length);
    assert.equal(rung.length, crowdNames.length);
    say(`${rung.length} calls, each answered by the phone that was meant, none by another`);
    for (const crowd of crowds) crowd.close();
  },
};

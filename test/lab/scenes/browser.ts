import assert from 'node:assert/strict';
import { TestAuthority } from '../../support/certificates.ts';
import { newIdentity } from '../../support/test-gateway.ts';
import { until } from '../../support/until.ts';
import type { Heard } from '../ear.ts';
import { Lab, labDomain } from '../lab.ts';
import { gatewayAddress } from '../network.ts';
import { BrowserPhone } from '../phones/browser.ts';
import type { LabPhone } from '../phones/phone.ts';
import type { Scene, Stage } from './scene.ts';

const server = `wss://${gatewayAddress}:5443`;
const control = '127.0.0.1:22222';
/** A tone that came through two codecs. */
const minPurity = 0.8;
const minLevelDb = -25;
const patienceMs = 5_000;

/** One that needs no lab to be there. */
interface StandaloneScene extends Scene {
  readonly play: (stage: Pick<Stage, 'say'>) => Promise<void>;
}

/** In a lab of its own, since its gateway has another media mode. */
export const browserAndPhone: StandaloneScene = {
  title:
    'a browser (Chromium, SIP.js over WSS) and baresip, behind different carriers, call each other through rtpengine',
  play: async ({ say }) => {
    const authority = new TestAuthority();
    const { cert, key } = authority.issue({ commonName: labDomain, altNames: [`DNS:${labDomain}`] });
    const lab = await Lab.open({
      users: ['bob'],
      set: [
        `listen=udp://${gatewayAddress}:5060, tcp://${gatewayAddress}:5060, ${server}`,
        `tls={cert: ${cert}, key: ${key}}`,
        'media.mode=rtpengine',
        `media.rtpengine.instances=${control}`,
      ],
    });
    let browser: BrowserPhone | undefined;
    try {
      startRtpengine(lab);
      const bob = await lab.phone('baresip', 'bob', { home: 'b1', address: '10.0.0.10' });
      await lab.network.addPhone('alice', { home: 'a1', address: '10.0.0.10' });
      const identity = newIdentity('jis:alice');
      const options = { name: 'alice', domain: labDomain, server, toneHertz: 600, identity };
      browser = await BrowserPhone.start(lab.network.sandbox, options);
      await until('rtpengine answers', () => lab.log().includes('rtpengine answers'));
      say(await browserCalls(browser, bob));
      say(await phoneCalls(bob, browser));
      await checkRecords(lab);
    } finally {
      await browser?.stop();
      await lab.close();
      authority.remove();
    }
  },
};

function startRtpengine({ network }: Lab): void {
  const words = [
    'rtpengine',
    '--config-file=none',
    '--foreground',
    '--log-stderr',
    '--log-level=3',
    '--table=-1',
  ];
  words.push(`--interface=${gatewayAddress}`, `--listen-ng=${control}`, '--num-threads=2');
  network.sandbox.spawn('gateway', [...words, '--port-min=30000', '--port-max=30999'], { stdio: 'ignore' });
}

async function browserCalls(browser: BrowserPhone, bob: LabPhone): Promise<string> {
  const atBob = bob.listenFor(browser.toneHertz);
  bob.expectCall();
  await Promise.all([browser.call('bob'), bob.established()]);
  const heard = await hearEachOther(browser, bob, atBob.tone(patienceMs));
  const described = await browser.described();
  assert.match(described, / UDP\/TLS\/RTP\/SAVPF /);
  assert.match(described, /a=ice-lite/);
  // Each browser's media is encrypted towards rtpengine, with rtpengine's keys.
  assert.ok(!described.includes(await browser.fingerprint()));
  await Promise.all([browser.hangUp(), bob.ended()]);
  return `alice (browser) calls bob (baresip): ${heard}`;
}

async function phoneCalls(bob: LabPhone, browser: BrowserPhone): Promise<string> {
  const atBob = bob.listenFor(browser.toneHertz);
  bob.dial('alice');
  await Promise.all([browser.answer(), bob.established()]);
  const heard = await hearEachOther(browser, bob, atBob.tone(patienceMs));
  bob.hangUp();
  await bob.ended();
  return `bob (baresip) calls alice (browser): ${heard}`;
}

async function hearEachOther(
  browser: BrowserPhone,
  bob: LabPhone,
  bobHears: Promise<Heard | undefined>,
): Promise<string> {
  let levelDb = Number.NEGATIVE_INFINITY;
  await until('the browser hears baresip', async () => {
    const loudness = await browser.loudness(bob.toneHertz);
    levelDb = loudness.levelDb;
    return loudness.purity >= minPurity && levelDb >= minLevelDb;
  });
  const heard = await bobHears;
  assert.ok(heard, `bob does not hear the browser:\n${bob.story()}`);
  return `bob hears ${heard.hertz} Hz at ${heard.levelDb.toFixed(1)} dB, alice hears ${bob.toneHertz} Hz at ${levelDb.toFixed(1)} dB`;
}

/** Both calls are on record: by the identity that the browser proved, with what was sent. */
async function checkRecords(lab: Lab): Promise<void> {
  await until('both calls are closed', async () => (await lab.records('call.end')).length === 2);
  for (const { erin } of await lab.records('call.end')) {
    const streams = erin['media'] as readonly { readonly from: string; readonly packets: number }[];
    assert.deepEqual(
      streams.map(({ from }) => from),
      ['caller', 'callee'],
    );
    for (const { packets } of streams) assert.ok(packets > 5);
  }
}

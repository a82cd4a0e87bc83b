import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type JSHandle, type Page } from 'playwright-core';
import { build } from 'rolldown';
import { systemClock, systemRandom } from '../../../src/base/index.ts';
import { IntentSigner } from '../../../src/softphone/index.ts';
import type { IdentityToken, SigningKey } from '../../../src/tokens/index.ts';
import type { Sandbox } from '../sandbox.ts';
import { type Loudness, loudnessOf, toneSeconds, writeTone } from '../tone.ts';

const executable = '/usr/bin/chromium';
export const chromiumInstalled: boolean = existsSync(executable);

/** A secure origin: only there a page gets at a microphone. Playwright serves it, nothing is looked up. */
const origin = 'https://phone.lab.example/';
const source = join(import.meta.dirname, '../../../pages/browser-phone/phone.ts');

export interface BrowserPhoneOptions {
  /** Its user and namespace. */
  readonly name: string;
  readonly domain: string;
  /** `wss://192.0.2.10:5443`; its certificate is not checked. */
  readonly server: string;
  readonly toneHertz: number;
  readonly identity: { readonly token: IdentityToken; readonly key: SigningKey };
}

/** What pages/browser-phone/phone.ts has. */
interface PagePhone {
  register(): Promise<void>;
  call(user: string): Promise<void>;
  answer(): Promise<void>;
  hangUp(): Promise<void>;
  hear(): { readonly samplesPerSecond: number; readonly samples: readonly number[] };
  fingerprint(): string;
  described(): string;
}

/** Debian's Chromium in a phone's namespace, with SIP.js in its page and a tone in its microphone. */
export class BrowserPhone {
  readonly toneHertz: number;
  readonly #browser: Browser;
  readonly #page: Page;
  readonly #phone: JSHandle<PagePhone>;

  private constructor(toneHertz: number, browser: Browser, page: Page, phone: JSHandle<PagePhone>) {
    this.toneHertz = toneHertz;
    this.#browser = browser;
    this.#page = page;
    this.#phone = phone;
  }

  static async start(sandbox: Sandbox, options: BrowserPhoneOptions): Promise<BrowserPhone> {
    const { name, domain, server, toneHertz, identity } = options;
    const tone = join(sandbox.directory, `${name}.wav`);
    writeTone(tone, toneHertz, toneSeconds);
    const launcher = join(sandbox.directory, `${name}-chromium`);
    const words = [...sandbox.launcher(name), executable].map((word) => `'${word}'`).join(' ');
    writeFileSync(launcher, `#!/bin/sh\nexec ${words} "$@"\n`);
    chmodSync(launcher, 0o700);
    const browser = await chromium.launch({
      executablePath: launcher,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--use-fake-ui-for-media-stream',
        '--use-fake-device-for-media-stream',
        `--use-file-for-fake-audio-capture=${tone}`,
        '--autoplay-policy=no-user-gesture-required',
        '--ignore-certificate-errors',
      ],
    });
    const page = await browser.newPage();
    const signer = new IntentSigner({
      ...identity,
      clock: systemClock,
      random: systemRandom,
      declaredIntent: () => 'call from a browser',
    });
    await page.exposeFunction('sign', (message: string) => signer.outgoing(message));
    await page.route(origin, (route) =>
      route.fulfill({ contentType: 'text/html', body: '<title>phone</title>' }),
    );
    await page.goto(origin);
    await page.addScriptTag({ content: await bundle() });
    const settings = JSON.stringify({ user: name, domain, server });
    const phone = (await page.evaluateHandle(`startPhone(${settings})`)) as JSHandle<PagePhone>;
    const started = new BrowserPhone(toneHertz, browser, page, phone);
    await phone.evaluate((inPage) => inPage.register());
    return started;
  }

  /** Resolves when it is answered. */
  call(user: string): Promise<void> {
    return this.#phone.evaluate((phone, callee) => phone.call(callee), user);
  }

  /** Takes the next call. */
  answer(): Promise<void> {
    return this.#phone.evaluate((phone) => phone.answer());
  }

  hangUp(): Promise<void> {
    return this.#phone.evaluate((phone) => phone.hangUp());
  }

  /** How much of a tone is in what it hears just now. */
  async loudness(hertz: number): Promise<Loudness> {
    const { samples, samplesPerSecond } = await this.#phone.evaluate((phone) => phone.hear());
    if (samples.length === 0) return { levelDb: Number.NEGATIVE_INFINITY, purity: 0 };
    return loudnessOf(Float64Array.from(samples), samplesPerSecond, hertz);
  }

  /** Its own line `a=fingerprint:…`. */
  fingerprint(): Promise<string> {
    return this.#phone.evaluate((phone) => phone.fingerprint());
  }

  /** The session description that it got. */
  described(): Promise<string> {
    return this.#phone.evaluate((phone) => phone.described());
  }

  async stop(): Promise<void> {
    await this.#page.close();
    await this.#browser.close();
  }
}

async function bundle(): Promise<string> {
  const { output } = await build({
    input: source,
    platform: 'browser',
    write: false,
    logLevel: 'warn',
    output: { format: 'iife' },
  });
  return output[0].code;
}

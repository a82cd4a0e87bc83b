import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditLog } from '../../src/provenance/index.ts';
import { collect, draft, scratch, settled } from '../provenance/support/test-log.ts';
import { forkedLogs } from './forked-log.ts';
import { answeredCall, withExtra, withoutRecord } from './proof-support.ts';

const root = join(import.meta.dirname, '../..');
const file = join(root, 'docs/verify/index.html');
const executablePath = '/usr/bin/chromium';
const reason = existsSync(executablePath) ? undefined : `${executablePath} is missing`;
if (reason !== undefined) process.stderr.write(`skipped: the auditor's page in Chromium: ${reason}\n`);

describe.skipIf(reason !== undefined)("the auditor's page in Chromium", () => {
  const directory = scratch();
  let browser: Browser;
  let page: Page;
  let shown: AuditLog;
  let hidden: AuditLog;
  let drops = 0;
  const requested: string[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    ({ shown, hidden } = await forkedLogs(directory.path));
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
    page = await browser.newPage({ offline: true });
    page.on('request', (request) => requested.push(request.url()));
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(pathToFileURL(file).href);
    await page.fill('#vkey', shown.vkey);
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    await shown.close();
    await hidden.close();
    directory.dispose();
  });

  /** Gives these files to the page, as somebody who chooses them, and reads the verdicts from the top. */
  async function drop(...texts: readonly string[]): Promise<readonly string[]> {
    drops++;
    const nameOf = (at: number): string => `proof-${drops}-${at}.tlog-proof`;
    await page.setInputFiles(
      '#files',
      texts.map((text, at) => ({
        name: nameOf(at),
        mimeType: 'text/plain',
        buffer: Buffer.from(text),
      })),
    );
    await page
      .locator('article .file', { hasText: nameOf(texts.length - 1) })
      .last()
      .waitFor();
    return page
      .locator('article')
      .evaluateAll((cards) => cards.map((card) => card.getAttribute('data-verdict') ?? ''));
  }

  test('tells the right verdict from a proof file and the verifier key alone', async () => {
    const good = await shown.prove({ call: 'c1' });
    expect(await drop(good)).toEqual(['UNWITNESSED']);
    expect(await page.locator('.story li').allTextContents()).toHaveLength(4);
    expect(await page.locator('article').textContent()).toContain('jis:sensor-01 called jis:bob');

    const altered = withExtra(good, (extra) => {
      const opening = extra.get(2);
      const text = Buffer.from(opening instanceof Uint8Array ? opening : []).toString('latin1');
      extra.set(2, new Uint8Array(Buffer.from(text.replace('4711', '4712'), 'latin1')));
    });
    expect(await drop(altered)).toEqual(['INVALID']);
    expect(await page.locator('.checks .fails').textContent()).toContain('ERACHTER was changed');
    expect(await page.locator('.story').count()).toBe(0);

    expect(await drop(withoutRecord(good, 2))).toEqual(['GAP']);
    expect(await page.locator('article').textContent()).toContain('has no successor here');

    const [other] = await collect(hidden.query({ event: 'other 3' }));
    const fork = await hidden.prove(other?.id ?? '');
    expect(await drop(fork)).toEqual(['UNWITNESSED']);
    expect(await drop(good, fork)).toEqual(['INVALID', 'UNWITNESSED', 'UNWITNESSED']);
    expect(await page.locator('article').first().textContent()).toContain('signed two histories');
  });

  test('says what was erased, after the operator has erased a party', async () => {
    const { parties } = (await collect(shown.query({ callId: 'c1' })))[0] ?? { parties: [] };
    const { record } = await shown.erase(parties[0]?.fingerprint ?? '', 'asked for by letter 17');
    await expect.poll(async () => shown.prove(record).catch(() => undefined)).toBeDefined();
    expect(await drop(await shown.prove({ call: 'c1' }))).toEqual(['REDACTED']);
    const text = await page.locator('article').textContent();
    expect(text).toContain('this was erased or withheld: the declared intent (ERACHTER)');
    expect(text).toContain('What was erased or is not shown');
    expect(text).toContain('What the log said about one party was erased: “asked for by letter 17”.');
  });

  test('takes key and policy by dropping them, and says when nobody is trusted', async () => {
    await page.fill('#vkey', '');
    expect(await drop(await shown.prove({ call: 'c1' }))).toEqual(['UNCHECKED']);
    expect(await page.locator('.summary').textContent()).toContain('verifier key is missing');
    expect(await page.locator('.checks .unchecked').textContent()).toContain('of the log example.com/calls');
    expect(await page.locator('.story').count()).toBe(0);
    await page.fill('#vkey', 'rubbish');
    expect(await page.locator('.summary').textContent()).toContain('Nothing can be checked yet: not a verif');
    await page.fill('#vkey', '');
    await page.setInputFiles('#files', {
      name: 'vkey',
      mimeType: 'text/plain',
      buffer: Buffer.from(`${shown.vkey}\n`),
    });
    await page.locator('article.REDACTED').waitFor();
    expect(await page.inputValue('#vkey')).toBe(shown.vkey);
  });

  test('fits a narrow window, light or dark, and is worked with the keyboard alone', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width: 320, height: 640 });
      await drop(await shown.prove({ call: 'c1' }));
      await page.locator('article details').evaluate((details) => details.setAttribute('open', ''));
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(320);
    }
    await page.setViewportSize({ width: 1000, height: 800 });
    await page.focus('#vkey');
    const reached: string[] = [];
    for (let stop = 0; stop < 3; stop++) {
      await page.keyboard.press('Tab');
      reached.push(
        String(await page.evaluate('document.activeElement.id || document.activeElement.tagName')),
      );
    }
    // Witnesses, the files, the records themselves.
    expect(reached).toEqual(['SUMMARY', 'files', 'SUMMARY']);
    await page.focus('.trust summary');
    await page.keyboard.press('Enter');
    expect(await page.locator('#policy').isVisible()).toBe(true);
  });

  test('shows what strangers wrote as text, loads nothing, connects to nobody', async () => {
    const [erin] = answeredCall('c9');
    const nasty = '<img src=x onerror=alert(1)>';
    const result = shown.append({ ...(erin ?? draft('x')), erachter: nasty });
    await settled(result);
    await expect.poll(async () => shown.prove(result.id).catch(() => undefined)).toBeDefined();
    await drop(await shown.prove(result.id));
    expect(await page.locator('article').textContent()).toContain(nasty);
    expect(await page.locator('article img').count()).toBe(0);
    const refused = await page.evaluate(() =>
      fetch('https://example.org').then(
        () => false,
        () => true,
      ),
    );
    expect(refused).toBe(true);
    expect(requested).toEqual([pathToFileURL(file).href]);
    expect(
      complaints.filter((text) => !text.includes('Content Security Policy') && !text.includes('example.org')),
    ).toEqual([]);
  });
});

test('the page in docs/ is what its sources build, byte for byte', () => {
  const directory = scratch();
  execFileSync(process.execPath, [join(root, 'scripts/build-pages.mjs'), directory.path], {
    stdio: 'ignore',
  });
  const built = readFileSync(join(directory.path, 'docs/verify/index.html'), 'utf8');
  expect(built === readFileSync(file, 'utf8'), 'run npm run build:pages and commit the page').toBe(true);
  const module = readFileSync(join(directory.path, 'dist/verify/browser.js'), 'utf8');
  expect(module).not.toMatch(/\bfrom\s*["']|\bimport\s*\(|\brequire\(/);
  directory.dispose();
});

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataDirectory } from './support/data-directory.ts';
import { run } from './support/processes.ts';

const root = join(import.meta.dirname, '..');
const bin = join(root, 'node_modules/.bin');
const work = dataDirectory();
const consumer = join(work.path, 'consumer');
const installed = join(consumer, 'node_modules/tibet-sip');
const doors = [
  'tokens',
  'overlay',
  'provenance',
  'verify',
  'sip',
  'softphone',
  'gateway',
  'config',
  'admission',
];

let files: readonly string[];

/** Builds the package beside the checkout, packs it, and installs it into a project of its own. */
beforeAll(() => {
  const source = join(work.path, 'source');
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
  mkdirSync(source);
  for (const name of ['package.json', 'README.md', 'LICENSE', ...manifest.files])
    if (name !== 'dist' && existsSync(join(root, name)))
      cpSync(join(root, name), join(source, name), { recursive: true });
  execFileSync(
    join(bin, 'tsc'),
    ['-p', join(root, 'tsconfig.build.json'), '--outDir', join(source, 'dist')],
    { cwd: root },
  );
  const packed = execFileSync(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', work.path],
    {
      cwd: source,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const { filename, entries } = tarball(packed);
  files = entries;
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(work.path, filename), '-C', installed, '--strip-components=1']);
  // The dependencies, where Node looks for them above the project.
  symlinkSync(join(root, 'node_modules'), join(work.path, 'node_modules'));
  writeFileSync(join(consumer, 'package.json'), '{"type":"module","private":true}');
}, 60_000);
afterAll(() => work.remove());

function tarball(json: string): { readonly filename: string; readonly entries: readonly string[] } {
  const said: unknown = JSON.parse(json);
  // npm 11 and later key the list by the package's name.
  const [first] = (Array.isArray(said) ? said : Object.values(said as object)) as readonly {
    readonly filename: string;
    readonly files: readonly { readonly path: string }[];
  }[];
  if (first === undefined) throw new Error(`npm pack said ${json}`);
  return { filename: first.filename, entries: first.files.map(({ path }) => path) };
}

describe('the packed package', () => {
  it('holds what runs and what explains it, no tests, no sources, no secrets, no data', () => {
    for (const file of [
      'package.json',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'SECURITY.md',
      'bin/tibet-sip.mjs',
    ])
      expect(files).toContain(file);
    for (const door of doors)
      expect(files).toEqual(expect.arrayContaining([`dist/${door}/index.js`, `dist/${door}/index.d.ts`]));
    expect(files).toContain('dist/cli/main.js');
    expect(files).toContain('config/default.yaml');
    const strange = files.filter(
      (file) =>
        !/^(bin|dist|config|docs|deploy)\/|^(package\.json|README\.md|LICENSE|CHANGELOG\.md|SECURITY\.md)$/.test(
          file,
        ) ||
        /(^|\/)(test|bench|data|node_modules)\/|\.test\.|\.env|\.key$|\.pem$|\.mdb$|(?<!\.d)\.ts$/.test(file),
    );
    expect(strange).toEqual([]);
    const texts = files.filter((file) => /\.(js|mjs|json|ya?ml|md|service)$/.test(file));
    const secret = /-----BEGIN [A-Z ]*PRIVATE KEY-----|"seed": ?"[\w-]{40}/;
    expect(texts.filter((file) => secret.test(readFileSync(join(installed, file), 'utf8')))).toEqual([]);
  });

  it('can be imported through each of its doors', async () => {
    writeFileSync(
      join(consumer, 'all.mjs'),
      `${doors.map((door) => `import * as ${door} from 'tibet-sip/${door}';`).join('\n')}
import { generateSigningKey, createIdentityToken, decodeIdentityToken } from 'tibet-sip/tokens';
const key = generateSigningKey();
const token = createIdentityToken({ key, subject: 'jis:alice', notBefore: 1, expires: 9e9, now: 2 });
if (decodeIdentityToken(token.bytes).fingerprint !== token.fingerprint) throw new Error('fingerprint');
console.log([tokens, overlay, provenance, verify, sip, softphone].every((door) => Object.keys(door).length > 3));
console.log(typeof overlay.IdentityOverlay, typeof provenance.AuditLog, typeof sip.parseMessage, typeof softphone.Softphone);`,
    );
    const { code, out, err } = await run(process.execPath, ['all.mjs'], { cwd: consumer });
    expect(code, err).toBe(0);
    expect(out).toBe('true\nfunction function function function\n');
  });

  it('seed 35: starts a gateway with hooks of its own', async () => {
    const data = join(consumer, 'data');
    writeFileSync(
      join(consumer, 'hooks.mjs'),
      `import { loadConfig } from 'tibet-sip/config';
import { createGateway, silentLogger } from 'tibet-sip/gateway';
const overrides = ['dataDir=${data}', 'listen=ws://127.0.0.1:0', 'admin.listen=off'];
const hooks = { authorise: ({ action }) => (action === 'register' ? true : { refused: 'Not On Sundays' }) };
const gateway = createGateway({ config: loadConfig({ overrides }), logger: silentLogger, hooks });
const { listen } = await gateway.start();
console.log(listen[0].transport);
await gateway.close();`,
    );
    const { code, out, err } = await run(process.execPath, ['hooks.mjs'], { cwd: consumer });
    expect(code, err).toBe(0);
    expect(out).toBe('ws\n');
  });

  it('keeps everything else shut', async () => {
    writeFileSync(join(consumer, 'shut.mjs'), `await import('tibet-sip/dist/gateway/index.js');`);
    const { code, err } = await run(process.execPath, ['shut.mjs'], { cwd: consumer });
    expect(code).not.toBe(0);
    expect(err).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  it('gives a strict TypeScript project its types', async () => {
    writeFileSync(
      join(consumer, 'typed.ts'),
      `import { type IdentityToken, generateSigningKey } from 'tibet-sip/tokens';
import type { IdentityOverlay } from 'tibet-sip/overlay';
import { type AuditLog, verifyLog } from 'tibet-sip/provenance';
import { parseMessage, defaultMessageLimits, type SipMessage } from 'tibet-sip/sip';
import { Softphone, type SoftphoneEvent } from 'tibet-sip/softphone';
export const message: SipMessage = parseMessage(new Uint8Array(), defaultMessageLimits);
export const seed: Uint8Array = generateSigningKey().seed;
export function phone(token: IdentityToken): Softphone {
  const onEvent = (event: SoftphoneEvent): void => {
    if (event.kind === 'incoming') void event.call.answer();
  };
  return new Softphone({ token, key: generateSigningKey(), gateway: 'ws://127.0.0.1:5080', onEvent });
}
export type Parts = readonly [IdentityOverlay, AuditLog];
// @ts-expect-error: a number is no directory, so the types are really there.
void verifyLog({ directory: 7 });
`,
    );
    writeFileSync(
      join(consumer, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'esnext',
          strict: true,
          noEmit: true,
          types: ['node'],
        },
        files: ['typed.ts'],
      }),
    );
    const { out } = await run(join(bin, 'tsc'), ['-p', consumer], { cwd: consumer });
    // Without skipLibCheck, so that our own declarations are checked; lmdb's have an error of their own (TS1203).
    const errors = out
      .split('\n')
      .filter((line) => line.includes('error TS') && !line.includes('node_modules/lmdb/'));
    expect(errors).toEqual([]);
  });

  it('runs its command', async () => {
    const command = join(installed, 'bin/tibet-sip.mjs');
    const help = await run(process.execPath, [command, '--help'], { cwd: consumer });
    expect(help.code, help.err).toBe(0);
    for (const name of ['serve', 'identity', 'phone', 'device', 'overlay', 'audit', 'status', 'demo'])
      expect(help.out).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    const made = await run(
      process.execPath,
      [command, 'identity', 'new', '--name', 'jis:alice', '--out', join(consumer, 'alice.json')],
      { cwd: consumer },
    );
    expect(made.code, made.err).toBe(0);
  });
});

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

interface Manifest {
  readonly license: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly files: readonly string[];
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}
const manifest = JSON.parse(read('package.json')) as Manifest;

describe('docs/dependencies.md', () => {
  const licences = new Map<string, string>();
  for (const line of read('docs/dependencies.md').split('\n')) {
    const [, name, , licence] = line.split('|').map((cell) => cell.trim());
    if (name?.startsWith('`') && licence !== undefined && licence !== '')
      licences.set(name.replaceAll('`', ''), licence);
  }

  it('lists the dependencies of package.json, all of them and no other', () => {
    const { dependencies, devDependencies, optionalDependencies } = manifest;
    const expected = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
    expect([...licences.keys()].toSorted()).toEqual(expected.toSorted());
  });

  it('names the licence that the installed package names', () => {
    for (const [name, licence] of licences) {
      const file = join(root, 'node_modules', name, 'package.json');
      // Packages for another platform are not installed.
      if (existsSync(file))
        expect((JSON.parse(readFileSync(file, 'utf8')) as Manifest).license, name).toBe(licence);
    }
  });
});

describe('the package', () => {
  it('starts on whatever Node comes first: the scripts run npm packages only after preparing them', () => {
    for (const name of ['start', 'tibet-sip', 'test'])
      expect(manifest.scripts[`pre${name}`]).toMatch(/^node scripts\/prepare\.mjs/);
  });

  it('replaces the shell of npm scripts, so that a signal to npm reaches the gateway', () => {
    for (const name of ['start', 'tibet-sip']) expect(manifest.scripts[name]).toMatch(/^exec node /);
  });

  it('ships the files that its command and its documentation name', () => {
    expect(manifest.files).toEqual(expect.arrayContaining(['bin', 'dist', 'config', 'docs', 'deploy']));
    for (const file of [...Object.values(manifest.bin), 'LICENSE', 'SECURITY.md', 'deploy/tibet-sip.service'])
      expect(existsSync(join(root, file)), file).toBe(true);
  });

  it('names no registry host, so that any registry can serve it', () => {
    for (const file of [
      'package-lock.json',
      '.npmrc',
      'Dockerfile',
      'scripts/prepare.mjs',
      'scripts/test.mjs',
    ])
      expect(read(file), file).not.toMatch(/registry\.[a-z]|"resolved": "https?:/);
  });
});

describe('docker-compose.yml', () => {
  const present = spawnSync('docker-compose', ['version']).status === 0;

  it.runIf(present)('passes docker-compose config, with the media profile too', () => {
    for (const profile of [[], ['--profile', 'media']]) {
      const { status, stderr } = spawnSync('docker-compose', [...profile, 'config'], {
        cwd: root,
        encoding: 'utf8',
      });
      expect(status, stderr).toBe(0);
    }
  });

  it('starts what the product uses', () => {
    for (const service of ['gateway', 'redis', 'rtpengine'])
      expect(read('docker-compose.yml')).toContain(`\n  ${service}:\n`);
  });
});

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

export const softwareVersion: string = versionOf(manifest);

/** Name and version of this software, as records and Server header fields give it. */
export const nodeSoftware: string = `tibet-sip/${softwareVersion}`;

/**
 * SHA-256 over every file of this program (what runs, and the list of its dependencies): names and contents, sorted by
 * name. Two gateways with the same value run the same code.
 */
export function softwareHash(): string {
  const root = join(import.meta.dirname, '..');
  const names = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
  const sum = createHash('sha256').update(JSON.stringify(manifest));
  for (const name of names) sum.update(`\n${name}\n`).update(readFileSync(join(root, name)));
  return sum.digest('hex');
}

function versionOf(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'version' in value) return String(value.version);
  throw new Error('package.json names no version');
}

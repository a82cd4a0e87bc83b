import { readFileSync } from 'node:fs';

const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

export const softwareVersion: string = versionOf(manifest);

/** Name and version of this software, as records and Server header fields give it. */
export const nodeSoftware: string = `tibet-sip/${softwareVersion}`;

function versionOf(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'version' in value) return String(value.version);
  throw new Error('package.json names no version');
}

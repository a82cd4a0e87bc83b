import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeHex, makeDirectories, type Random } from '../base/index.ts';
import type { RecordDraft } from '../provenance/index.ts';
import { type OverlayEvent, overlayRecord } from './overlay-event.ts';

/** Leaves an event for the process that owns the audit log. */
export function spoolEvent(directory: string, event: OverlayEvent, random: Random): void {
  spoolJson(directory, overlayRecord(event), event.atMs, random);
}

/** Leaves something for the process that owns the audit log, and says where; file names sort by time. */
export function spoolJson(directory: string, content: object, atMs: number, random: Random): string {
  makeDirectories(directory, 0o700);
  const name = `${String(atMs).padStart(15, '0')}-${encodeHex(random.bytes(8))}`;
  const path = join(directory, name);
  writeFileSync(`${path}.tmp`, JSON.stringify(content), { mode: 0o600, flush: true });
  renameSync(`${path}.tmp`, `${path}.json`);
  return `${path}.json`;
}

/** The record in a spooled file, or undefined when it is none. Who can write there can change the store as well. */
export function parseSpooledRecord(text: string): RecordDraft | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isRecordDraft(parsed) ? parsed : undefined;
}

function isRecordDraft(value: unknown): value is RecordDraft {
  if (!isObject(value)) return false;
  const { erin, eraan, eromheen, erachter, parties } = value;
  return (
    isObject(erin) &&
    typeof erin['event'] === 'string' &&
    isObject(eraan) &&
    Array.isArray(eraan['parents']) &&
    isObject(eromheen) &&
    typeof erachter === 'string' &&
    erachter !== '' &&
    Array.isArray(parties)
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

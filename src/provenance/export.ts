import { encodeBase64Url } from '../base/index.ts';
import { isLayer } from './layer.ts';
import type { StoredRecord } from './record.ts';

/** A record, or any part of one, as JSON can carry it: bytes become base64url. */
export function jsonValue(value: unknown): unknown {
  if (value instanceof Uint8Array) return encodeBase64Url(value);
  if (Array.isArray(value)) return value.map(jsonValue);
  if (!isLayer(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonValue(item)]));
}

/** One record as one line of JSON (without the line's end), with everything that the record says. */
export function recordToJson(record: StoredRecord): string {
  return JSON.stringify(jsonValue({ ...record, time: new Date(record.timeMs).toISOString() }));
}

const csvColumns = [
  'time',
  'id',
  'event',
  'call',
  'phase',
  'sip_call_id',
  'caller',
  'callee',
  'outcome',
  'status',
  'intent',
  'identities',
  'position',
] as const;

/** RFC 4180: the first line. */
export function csvHeader(): string {
  return csvColumns.join(',');
}

/** RFC 4180: one record, without the line's end. */
export function recordToCsv(record: StoredRecord): string {
  const { erin } = record;
  const fields: Readonly<Record<(typeof csvColumns)[number], unknown>> = {
    time: new Date(record.timeMs).toISOString(),
    id: record.id,
    event: record.event,
    call: record.call?.id,
    phase: record.call?.phase,
    sip_call_id: erin['callId'],
    caller: erin['caller'] ?? erin['identity'],
    callee: erin['callee'],
    outcome: erin['outcome'],
    status: erin['status'],
    intent: record.erachter,
    identities: record.parties.map(({ fingerprint }) => fingerprint).join(' '),
    position: record.position,
  };
  return csvColumns.map((column) => csvField(fields[column])).join(',');
}

/** Where a spreadsheet begins a cell, whatever separates cells in its country, and then a formula in it. */
const formulas = /(^|[;\t\r\n"])([ \t]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/g;

/**
 * Callers choose what stands in many fields: text that a spreadsheet would run as a formula gets an apostrophe in
 * front, so that opening an export runs nothing.
 */
function csvField(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string') return '';
  const tame = value.replace(formulas, "$1$2'");
  const text = '\t\r'.includes(tame.charAt(0)) && tame !== '' ? `'${tame}` : tame;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

import { encodeHex } from '../base/index.ts';
import type { StoredRecord } from '../provenance/index.ts';
import { sha256 } from '../tokens/index.ts';

export type RecordFormat = 'jsonl' | 'csv' | 'tibet';

export const recordFormats: readonly RecordFormat[] = ['jsonl', 'csv', 'tibet'];

/** First line of an export; undefined when the format has none. */
export function exportHeader(format: RecordFormat): string | undefined {
  return format === 'csv' ? csvColumns.map(([name]) => name).join(',') : undefined;
}

/** One record as one line. */
export function formatRecord(format: RecordFormat, record: StoredRecord): string {
  switch (format) {
    case 'jsonl':
      return JSON.stringify(recordJson(record));
    case 'csv':
      return csvColumns.map(([, value]) => csvCell(value(record))).join(',');
    case 'tibet':
      return JSON.stringify(tibetToken(record));
  }
}

/** A record as JSON: bytes become hexadecimal, large numbers text. */
export function recordJson(record: StoredRecord): Readonly<Record<string, unknown>> {
  const { id, position, timeMs, event, call, erin, eraan, eromheen, erachter, parties, node, sealedAt } =
    record;
  const time = new Date(timeMs).toISOString();
  const layers = { erin, eraan, eromheen, erachter };
  return plain({ id, position, time, event, call, ...layers, parties, node, sealedAt }) as Record<
    string,
    unknown
  >;
}

/**
 * The field names and the hash of draft-vandemeent-tibet-provenance; there is no `signature`, since the log signs
 * batches: who doubts a token asks for `audit prove`.
 */
function tibetToken(record: StoredRecord): object {
  const { erin, eraan, eromheen, erachter } = record;
  const token = {
    token_id: record.id,
    version: '1.0',
    type: 'observation',
    timestamp: new Date(record.timeMs).toISOString(),
    actor: record.parties[0]?.fingerprint ?? record.node,
    erin: plain(erin),
    eraan: plain(eraan),
    eromheen: plain(eromheen),
    erachter,
    parent_id: previousOf(record) ?? null,
    state: record.call === undefined || record.call.phase === 'close' ? 'resolved' : 'detected',
  };
  return { ...token, hash: `sha256:${encodeHex(sha256(new TextEncoder().encode(canonicalJson(token))))}` };
}

/** RFC 8785 (JCS): keys sorted by UTF-16 code units, no spaces. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`);
  return `{${members.join(',')}}`;
}

function previousOf({ eraan }: StoredRecord): string | undefined {
  const { previous, parents } = eraan;
  if (typeof previous === 'string') return previous;
  const first: unknown = Array.isArray(parents) ? parents[0] : undefined;
  return typeof first === 'string' ? first : undefined;
}

const csvColumns: readonly (readonly [name: string, value: (record: StoredRecord) => unknown])[] = [
  ['time', ({ timeMs }) => new Date(timeMs).toISOString()],
  ['id', ({ id }) => id],
  ['event', ({ event }) => event],
  ['call', ({ call }) => call?.id],
  ['phase', ({ call }) => call?.phase],
  ['sip_call_id', ({ erin }) => erin['callId']],
  ['caller', partyOf('caller')],
  ['callee', partyOf('callee')],
  ['subject', partyOf('subject')],
  ['outcome', ({ erin }) => erin['outcome']],
  ['status', ({ erin }) => erin['status']],
  ['intent', ({ erachter }) => erachter],
];

function partyOf(role: StoredRecord['parties'][number]['role']): (record: StoredRecord) => unknown {
  return ({ parties }) => parties.find((party) => party.role === role)?.fingerprint;
}

/** RFC 4180; a cell that a spreadsheet would run as a formula is made text. */
function csvCell(value: unknown): string {
  const text = typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(plain(value));
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

import { asBuffer, decodeBase32, equalBytes } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import { bundleKey, bundleOf, uint64 } from './index-keys.ts';
import {
  callKey,
  eventPrefix,
  type IndexTables,
  idKeyBytes,
  intentPrefix,
  outcomePrefix,
  type Table,
} from './index-tables.ts';
import { tileWidth } from './tile-layout.ts';

/** Positions from `from` up to, and without, `to`. */
export interface PositionRange {
  readonly from: number;
  readonly to: number;
}

export type LookupKey =
  | { readonly identity: Fingerprint }
  | { readonly callId: string }
  | { readonly event: string }
  | { readonly outcome: string }
  | { readonly intentWord: string };

/** Up to `limit` positions in rising (or, with `newestFirst`, falling) order. */
export function positionsOf(
  tables: IndexTables,
  by: LookupKey,
  range: PositionRange,
  newestFirst: boolean,
  limit: number,
): readonly number[] {
  const [table, prefix] = tableFor(tables, by);
  const found: number[] = [];
  if (range.from >= range.to) return found;
  const first = bundleKey(prefix, Math.floor(range.from / tileWidth));
  const last = bundleKey(prefix, Math.floor((range.to - 1) / tileWidth));
  const bundles = table.getRange(newestFirst ? { start: last, reverse: true } : { start: first });
  for (const { key, value } of bundles) {
    if (newestFirst ? key.compare(first) < 0 : key.compare(last) > 0) break;
    const start = bundleOf(key) * tileWidth;
    for (const offset of newestFirst ? value.toReversed() : value) {
      const position = start + offset;
      if (position < range.from || position >= range.to) continue;
      found.push(position);
      if (found.length === limit) return found;
    }
  }
  return found;
}

/** Ranges of positions that can hold records of this time, merged where they touch. */
export function rangesWithin(
  tables: IndexTables,
  time: { readonly sinceMs: number; readonly untilMs: number },
  within: PositionRange,
): readonly PositionRange[] {
  const ranges: { from: number; to: number }[] = [];
  const start = uint64(Math.floor(within.from / tileWidth));
  for (const { key, value } of tables.times.getRange({ start })) {
    const from = Math.max(within.from, Number(key.readBigUInt64BE(0)) * tileWidth);
    const to = Math.min(within.to, Number(key.readBigUInt64BE(0)) * tileWidth + tileWidth);
    if (from >= within.to) break;
    if (value.readDoubleBE(8) < time.sinceMs || value.readDoubleBE(0) > time.untilMs) continue;
    const last = ranges.at(-1);
    if (last?.to === from) last.to = to;
    else ranges.push({ from, to });
  }
  return ranges;
}

/** At most `limit` positions below `size` of records whose id begins so, as far as keys reach. */
export function withIdPrefix(
  tables: IndexTables,
  prefix: string,
  size: number,
  limit: number,
): readonly number[] {
  const start = prefix.length > 52 ? undefined : decodeBase32(prefix.padEnd(52, 'a'));
  if (!start) return [];
  const first = start.subarray(0, idKeyBytes);
  const found: number[] = [];
  for (const { key, value } of tables.ids.getRange({ start: asBuffer(first) })) {
    if (found.length === limit || !hasPrefix(key, first, prefix.length)) break;
    const position = Number(value.readBigUInt64BE(0));
    if (position < size) found.push(position);
  }
  return found;
}

function tableFor(tables: IndexTables, by: LookupKey): readonly [Table, Buffer] {
  if ('identity' in by) return [tables.byIdentity, tables.identityPrefix(by.identity)];
  if ('callId' in by) return [tables.byCall, callKey(by.callId)];
  if ('outcome' in by) return [tables.byEvent, outcomePrefix(by.outcome)];
  if ('intentWord' in by) return [tables.byEvent, intentPrefix(by.intentWord)];
  return [tables.byEvent, eventPrefix(by.event)];
}

/** Whether the first `characters` base32 characters (5 bits each) of two ids agree. */
function hasPrefix(id: Uint8Array, other: Uint8Array, characters: number): boolean {
  const bits = Math.min(characters * 5, id.length * 8);
  const whole = Math.floor(bits / 8);
  if (!equalBytes(id.subarray(0, whole), other.subarray(0, whole))) return false;
  const mask = (0xff00 >> (bits % 8)) & 0xff;
  return ((id[whole] ?? 0) & mask) === ((other[whole] ?? 0) & mask);
}

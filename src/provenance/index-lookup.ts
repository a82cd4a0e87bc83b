import { decodeBase32 } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import { uint64 } from './index-keys.ts';
import { type PositionRange, type Tag, tagFrom } from './index-places.ts';
import type { IndexTables } from './index-tables.ts';
import { tileWidth } from './tile-layout.ts';

export type LookupKey =
  | { readonly identity: Fingerprint }
  | { readonly callId: string }
  | { readonly event: string }
  | { readonly outcome: string }
  | { readonly intentWord: string };

/** Earliest and latest time of the records of one bundle. */
export interface TimeSpan {
  readonly from: number;
  readonly to: number;
}

/** Ranges of positions that can hold records of this time, merged where they touch; `newer` are not in the table yet. */
export function rangesWithin(
  tables: IndexTables,
  newer: ReadonlyMap<number, TimeSpan>,
  time: { readonly sinceMs: number; readonly untilMs: number },
  within: PositionRange,
): readonly PositionRange[] {
  const ranges: { from: number; to: number }[] = [];
  const take = (bundle: number, span: TimeSpan): void => {
    const from = Math.max(within.from, bundle * tileWidth);
    const to = Math.min(within.to, bundle * tileWidth + tileWidth);
    if (from >= to || span.to < time.sinceMs || span.from > time.untilMs) return;
    const last = ranges.at(-1);
    if (last?.to === from) last.to = to;
    else ranges.push({ from, to });
  };
  const start = uint64(Math.floor(within.from / tileWidth));
  for (const { key, value } of tables.times.getRange({ start })) {
    const bundle = Number(key.readBigUInt64BE(0));
    if (bundle * tileWidth >= within.to || newer.has(bundle)) break;
    take(bundle, { from: value.readDoubleBE(0), to: value.readDoubleBE(8) });
  }
  // Noted in the order of the log.
  for (const [bundle, span] of newer) take(bundle, span);
  return ranges;
}

/** The tag that ids with this prefix begin with, and which of its bits count. */
export function idPrefix(prefix: string): { readonly tag: Tag; readonly mask: Tag } | undefined {
  const start = prefix.length > 52 ? undefined : decodeBase32(prefix.padEnd(52, 'a'));
  if (!start) return undefined;
  const bits = Math.min(prefix.length * 5, 64);
  const ones = new Uint8Array(8);
  for (let bit = 0; bit < bits; bit++) ones[bit >> 3] = (ones[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return { tag: tagFrom('id', start), mask: tagFrom('id', ones) };
}

export function tagOf(tables: IndexTables, by: LookupKey): Tag {
  if ('identity' in by) return tagFrom('identity', tables.identityKey(by.identity));
  if ('callId' in by) return tables.callTag(by.callId);
  if ('outcome' in by) return tables.outcomeTag(by.outcome);
  if ('intentWord' in by) return tables.intentTag(by.intentWord);
  return tables.eventTag(by.event);
}

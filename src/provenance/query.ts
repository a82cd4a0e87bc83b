import type { Fingerprint } from '../tokens/index.ts';
import { ProvenanceError } from './error.ts';
import type { LookupKey } from './index-lookup.ts';
import type { PositionRange } from './index-places.ts';
import { hasWords, intentWords } from './intent-words.ts';
import type { RecordId, StoredRecord } from './record.ts';
import type { RecordIndex } from './record-index.ts';

/** Filters add up; nothing given means every record. Paging: `after` is the `position` of the last one seen. */
export interface RecordQuery {
  /** A party; of several fingerprints (an identity and its pseudonyms), any. */
  readonly identity?: Fingerprint | readonly Fingerprint[];
  /** The gateway's id of the call, or a SIP Call-ID. */
  readonly callId?: string;
  readonly event?: string;
  /** How a call ended: finds its closing record. */
  readonly outcome?: string;
  /** Words of a declared intent, in any order: finds the attempts of calls that declared them. */
  readonly intent?: string;
  /** Inclusive, in milliseconds. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
  readonly after?: number;
  readonly limit?: number;
  /** Default: in the order in which they were logged. */
  readonly newestFirst?: boolean;
}

/** A log to search: everything below `index.size` can be looked up, the rest is read one by one. */
export interface QuerySource {
  readonly index: RecordIndex | undefined;
  readonly size: number;
  read(position: number): Promise<StoredRecord>;
}

/** Positions taken from the index at a time: no cursor stays open while records are read. */
const chunk = 256;
/** Records that are read at the same time: those of a rare identity lie in many files. */
const readAhead = 4;

export async function* queryRecords(
  source: QuerySource,
  query: RecordQuery,
): AsyncGenerator<StoredRecord, void, undefined> {
  const limit = query.limit ?? Number.POSITIVE_INFINITY;
  const positions = candidates(source, query);
  const coming: Promise<StoredRecord>[] = [];
  for (let found = 0; found < limit; ) {
    while (coming.length < Math.min(readAhead, limit - found)) {
      const { done, value } = positions.next();
      if (done === true) break;
      const record = source.read(value);
      // Whoever asks for it hears of it; nobody may ask.
      record.catch(() => undefined);
      coming.push(record);
    }
    const record = await coming.shift();
    if (record === undefined) return;
    if (!matches(record, query)) continue;
    yield record;
    found += 1;
  }
}

function* candidates({ index, size }: QuerySource, query: RecordQuery): Generator<number> {
  const newestFirst = query.newestFirst === true;
  const range = {
    from: newestFirst || query.after === undefined ? 0 : query.after + 1,
    to: newestFirst && query.after !== undefined ? Math.min(size, query.after) : size,
  };
  const indexed = Math.min(index?.size ?? 0, range.to);
  const unindexed = { from: Math.max(range.from, indexed), to: range.to };
  if (newestFirst) yield* everyPosition(unindexed, true);
  if (index && indexed > range.from)
    yield* lookedUp(index, query, { from: range.from, to: indexed }, newestFirst);
  if (!newestFirst) yield* everyPosition(unindexed, false);
}

function* lookedUp(
  index: RecordIndex,
  query: RecordQuery,
  within: PositionRange,
  newestFirst: boolean,
): Generator<number> {
  const timed = query.sinceMs !== undefined || query.untilMs !== undefined;
  const ranges = timed
    ? index.rangesWithin(
        query.sinceMs ?? Number.NEGATIVE_INFINITY,
        query.untilMs ?? Number.POSITIVE_INFINITY,
        within,
      )
    : [within];
  const keys = lookupKeys(query);
  for (const range of newestFirst ? ranges.toReversed() : ranges)
    if (keys.length === 0) yield* everyPosition(range, newestFirst);
    else
      yield* merged(
        keys.map((key) => inChunks(index, key, range, newestFirst)),
        newestFirst,
      );
}

/** What narrows the search down most; several keys where any of them will do. */
function lookupKeys({ callId, identity, intent, outcome, event }: RecordQuery): readonly LookupKey[] {
  if (callId !== undefined) return [{ callId }];
  if (identity !== undefined) return fingerprintsOf(identity).map((one) => ({ identity: one }));
  // A long word is a rare word.
  const [intentWord] = intentWords(intent ?? '').toSorted((a, b) => b.length - a.length);
  if (intentWord !== undefined) return [{ intentWord }];
  if (outcome !== undefined) return [{ outcome }];
  return event === undefined ? [] : [{ event }];
}

function fingerprintsOf(identity: Fingerprint | readonly Fingerprint[]): readonly Fingerprint[] {
  return typeof identity === 'string' ? [identity] : identity;
}

/** Positions of several sorted sources in one order, each once. */
function* merged(sources: readonly Generator<number>[], newestFirst: boolean): Generator<number> {
  const heads = sources.map((source) => ({ source, next: source.next() }));
  for (;;) {
    let best: number | undefined;
    for (const { next } of heads)
      if (!next.done && (best === undefined || (newestFirst ? next.value > best : next.value < best)))
        best = next.value;
    if (best === undefined) return;
    yield best;
    for (const head of heads) if (!head.next.done && head.next.value === best) head.next = head.source.next();
  }
}

function* inChunks(
  index: RecordIndex,
  by: LookupKey,
  range: PositionRange,
  newestFirst: boolean,
): Generator<number> {
  let rest = range;
  for (;;) {
    const positions = index.positions(by, rest, newestFirst, chunk);
    yield* positions;
    const last = positions.at(-1);
    if (last === undefined || positions.length < chunk) return;
    rest = newestFirst ? { from: rest.from, to: last } : { from: last + 1, to: rest.to };
  }
}

function* everyPosition({ from, to }: PositionRange, newestFirst: boolean): Generator<number> {
  if (newestFirst) for (let at = to - 1; at >= from; at--) yield at;
  else for (let at = from; at < to; at++) yield at;
}

function matches(record: StoredRecord, query: RecordQuery): boolean {
  const { identity, callId, event, outcome, intent, sinceMs, untilMs } = query;
  if (identity !== undefined) {
    const wanted = fingerprintsOf(identity);
    if (!record.parties.some(({ fingerprint }) => wanted.includes(fingerprint))) return false;
  }
  if (outcome !== undefined && record.erin['outcome'] !== outcome) return false;
  if (intent !== undefined && (record.call?.phase !== 'attempt' || !hasWords(record.erachter, intent)))
    return false;
  if (callId !== undefined && record.call?.id !== callId && record.erin['callId'] !== callId) return false;
  if (event !== undefined && record.event !== event) return false;
  return record.timeMs >= (sinceMs ?? record.timeMs) && record.timeMs <= (untilMs ?? record.timeMs);
}

/** Characters of a record id. */
const idLength = 52;

/** Positions of the records whose id begins so: looked up where indexed, read one by one where not. */
export async function findByIdPrefix(source: QuerySource, prefix: string): Promise<readonly StoredRecord[]> {
  const enough = 2;
  const found: StoredRecord[] = [];
  const indexed = source.index?.size ?? 0;
  // A whole id fits one record; that the index takes another one for it is as good as impossible.
  for (const limit of prefix.length === idLength ? [1, enough] : [enough]) {
    for (const position of source.index?.withIdPrefix(prefix, limit) ?? []) {
      const record = await source.read(position);
      if (record.id.startsWith(prefix)) found.push(record);
    }
    if (found.length > 0) break;
  }
  if (found.length > 0 && prefix.length === idLength) return found;
  for (let at = indexed; at < source.size && found.length < enough; at++) {
    const record = await source.read(at);
    if (record.id.startsWith(prefix)) found.push(record);
  }
  return found;
}

/** The one record whose id begins so; throws `record-ambiguous`. */
export async function getByIdPrefix(
  source: QuerySource,
  prefix: RecordId,
): Promise<StoredRecord | undefined> {
  const [record, another] = await findByIdPrefix(source, prefix);
  if (another)
    throw new ProvenanceError('record-ambiguous', 'more than one record begins so: give more of the id');
  return record;
}

import { bundleKey, bundleOf } from './index-keys.ts';
import type { Table } from './index-tables.ts';
import { tileWidth } from './tile-layout.ts';

type PrefixOf = (value: string) => Uint8Array;

interface Posting {
  readonly value: string;
  readonly bundle: number;
  readonly offsets: number[];
}

/**
 * Where the values of one chunk of records occur, gathered before it is written: one entry for a value and a bundle,
 * with a byte for each record, instead of an entry for each record. A call's records mostly share a bundle, and a
 * busy identity has many in each.
 */
export class Postings {
  readonly #byTable = new Map<Table, Map<PrefixOf, Map<string, Posting>>>();

  /** Positions come in rising order. */
  add(table: Table, value: string, prefixOf: PrefixOf, position: number): void {
    const bundle = Math.floor(position / tileWidth);
    const offset = position % tileWidth;
    const byPrefix = valueAt(this.#byTable, table, () => new Map<PrefixOf, Map<string, Posting>>());
    const postings = valueAt(byPrefix, prefixOf, () => new Map<string, Posting>());
    const posting = valueAt(postings, `${bundle} ${value}`, () => ({ value, bundle, offsets: [] }));
    // Both parties of a call can be one identity.
    if (posting.offsets.at(-1) !== offset) posting.offsets.push(offset);
  }

  /** Within a transaction. Records that a crash had indexed already come again: they must not stand there twice. */
  write(): void {
    for (const [table, byPrefix] of this.#byTable)
      for (const [prefixOf, postings] of byPrefix)
        for (const { value, bundle, offsets } of postings.values()) {
          const key = bundleKey(prefixOf(value), bundle);
          const first = offsets[0] ?? 0;
          const before = table.get(key)?.filter((offset) => offset < first) ?? [];
          table.putSync(key, Buffer.from([...before, ...offsets]));
        }
  }
}

/** Within a transaction. */
export function removePosting(table: Table, prefix: Uint8Array, position: number): void {
  const bundle = Math.floor(position / tileWidth);
  keepPlaces(table, bundleKey(prefix, bundle), (offset) => offset !== position % tileWidth);
}

/** Bundles from `first` on that have places of this prefix below the position `before`. */
export function bundlesWith(
  table: Table,
  prefix: Uint8Array,
  range: { readonly first: number; readonly before: number },
  limit: number,
): readonly number[] {
  const end = bundleKey(prefix, Math.ceil(range.before / tileWidth));
  return [...table.getKeys({ start: bundleKey(prefix, range.first), end, limit }).map(bundleOf)];
}

/** Takes out what lies below the position `before`; within a transaction. */
export function removePostings(table: Table, prefix: Uint8Array, bundle: number, before: number): void {
  keepPlaces(table, bundleKey(prefix, bundle), (offset) => bundle * tileWidth + offset >= before);
}

function keepPlaces(table: Table, key: Buffer, kept: (offset: number) => boolean): void {
  const places = table.get(key)?.filter(kept) ?? [];
  if (places.length > 0) table.putSync(key, Buffer.from(places));
  else table.removeSync(key);
}

function valueAt<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}

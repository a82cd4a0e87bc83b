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
 * Where the values of one kind occur in a chunk of records, gathered before it is written: one entry for a value and a
 * bundle, with a byte for each record, instead of an entry for each record. A call's records mostly share a bundle, and
 * a busy identity has many in each.
 */
export class Postings {
  readonly #table: Table;
  readonly #prefixOf: PrefixOf;
  readonly #all: Posting[] = [];
  /** The newest of each value. */
  readonly #newest = new Map<string, Posting>();

  constructor(table: Table, prefixOf: PrefixOf) {
    this.#table = table;
    this.#prefixOf = prefixOf;
  }

  /** Positions come in rising order. */
  add(value: string, position: number): void {
    const bundle = Math.floor(position / tileWidth);
    const offset = position % tileWidth;
    const newest = this.#newest.get(value);
    if (newest?.bundle !== bundle) {
      const posting = { value, bundle, offsets: [offset] };
      this.#all.push(posting);
      this.#newest.set(value, posting);
    } else if (newest.offsets.at(-1) !== offset) {
      // Both parties of a call can be one identity.
      newest.offsets.push(offset);
    }
  }

  /** Within a transaction. Records that a crash had indexed already come again: they must not stand there twice. */
  write(): void {
    for (const { value, bundle, offsets } of this.#all) {
      const key = bundleKey(this.#prefixOf(value), bundle);
      const first = offsets[0] ?? 0;
      const before = this.#table.get(key)?.filter((offset) => offset < first);
      this.#table.putSync(key, Buffer.from(before ? [...before, ...offsets] : offsets));
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

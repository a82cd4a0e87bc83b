import { uint64 } from './index-keys.ts';
import { rangesWithin, type TimeSpan } from './index-lookup.ts';
import { type NotedBatch, notedBatch } from './index-noted.ts';
import type { PositionRange } from './index-places.ts';
import type { IndexTables } from './index-tables.ts';
import { tileWidth } from './tile-layout.ts';

/** The earliest and the latest time of each bundle's records: those that were noted, before those in the table. */
export class IndexTimes {
  readonly #tables: IndexTables;
  readonly #noted = new Map<number, TimeSpan>();

  constructor(tables: IndexTables) {
    this.#tables = tables;
  }

  note(position: number, timeMs: number): void {
    const bundle = Math.floor(position / tileWidth);
    const span = this.#noted.get(bundle) ?? this.#written(bundle);
    if (!span || timeMs < span.from || timeMs > span.to || !this.#noted.has(bundle))
      this.#noted.set(bundle, widened(span, timeMs));
  }

  /** Ranges of positions that can hold records of this time. */
  rangesWithin(sinceMs: number, untilMs: number, within: PositionRange): readonly PositionRange[] {
    return rangesWithin(this.#tables, this.#noted, { sinceMs, untilMs }, within);
  }

  batch(): NotedBatch {
    return notedBatch(this.#noted, (bundle, span) =>
      this.#tables.times.putSync(uint64(bundle), encodeSpan(span)),
    );
  }

  #written(bundle: number): TimeSpan | undefined {
    const value = this.#tables.times.get(uint64(bundle));
    return value && { from: value.readDoubleBE(0), to: value.readDoubleBE(8) };
  }
}

function encodeSpan({ from, to }: TimeSpan): Buffer {
  const value = Buffer.allocUnsafe(16);
  value.writeDoubleBE(from, 0);
  value.writeDoubleBE(to, 8);
  return value;
}

function widened(span: TimeSpan | undefined, timeMs: number): TimeSpan {
  return { from: Math.min(timeMs, span?.from ?? timeMs), to: Math.max(timeMs, span?.to ?? timeMs) };
}

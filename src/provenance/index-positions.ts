import type { Places, PositionRange, Tag } from './index-places.ts';
import type { IndexTail } from './index-tail.ts';

/** Positions of tags in the tables and in what they do not have yet, as one. */
export class IndexPositions {
  readonly #written: Part;
  readonly #noted: Part;

  /** For one look-up, within a range that ends where the tail does. */
  constructor(places: Places, tail: IndexTail, { from, to }: PositionRange) {
    const { first } = tail;
    this.#written = partOf(places, { from, to: Math.min(to, first) });
    this.#noted = partOf(tail, { from: Math.max(from, first), to });
  }

  of(tag: Tag, newestFirst: boolean, limit: number): readonly number[] {
    const [first, second] = newestFirst ? [this.#noted, this.#written] : [this.#written, this.#noted];
    const found = first.positions(tag, newestFirst, limit);
    return found.length === limit
      ? found
      : [...found, ...second.positions(tag, newestFirst, limit - found.length)];
  }

  startingWith(tag: Tag, mask: Tag, limit: number): readonly number[] {
    const found = this.#written.startingWith(tag, mask, limit);
    return found.length === limit
      ? found
      : [...found, ...this.#noted.startingWith(tag, mask, limit - found.length)];
  }
}

interface Part {
  positions(tag: Tag, newestFirst: boolean, limit: number): readonly number[];
  startingWith(tag: Tag, mask: Tag, limit: number): readonly number[];
}

/** One of the two sources, for a range. */
function partOf(source: Places | IndexTail, range: PositionRange): Part {
  return {
    positions: (tag, newestFirst, limit) => source.positions(tag, range, newestFirst, limit),
    startingWith: (tag, mask, limit) => source.startingWith(tag, mask, range, limit),
  };
}

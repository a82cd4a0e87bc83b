/** A place in the columns of one record. */
export const place = {
  statement: 0,
  /** Of the first commitment to a layer, and to a party. */
  layers: 1,
  partyLayers: 2,
  opening: 3,
  end: 4,
  /** Of the id of the call's record before; 0: it is not named. */
  previous: 5,
  /** Start and end of the item of each layer. */
  items: 6,
  parties: 14,
} as const;

/** A place in the columns of one party, which come behind those of its record. */
export const partyPlace = {
  start: 0,
  end: 1,
  /** Of the id of the party's record before; 0: there is none. */
  prev: 2,
  /** Of the party's copy of the record's key. */
  wrap: 3,
} as const;
const partyColumns = 4;

/**
 * Where the records of a batch have, in its memory, what is filled in when it is sealed. Numbers in one array that the next
 * batch uses again: an object for each of a thousand records would be what the collector copies (`bench/provenance.ts`).
 */
export class RecordPlaces {
  readonly #columns: number[] = [];
  #used = 0;

  /** Begins a record; returns what the others ask for. */
  begin(parties: number): number {
    const record = this.#used;
    this.#used += place.parties + parties * partyColumns;
    for (let at = this.#columns.length; at < this.#used; at++) this.#columns.push(0);
    return record;
  }

  /** Takes back the record that was begun last. */
  undo(record: number): void {
    this.#used = record;
  }

  clear(): void {
    this.#used = 0;
  }

  /** What lies in the columns from `from` up to `to` has moved by so much. */
  move(record: number, from: number, to: number, by: number): void {
    for (let at = record + from; at < record + to; at++) {
      const was = this.#columns[at] ?? 0;
      if (was !== 0) this.#columns[at] = was + by;
    }
  }

  of(record: number, which: number): number {
    return this.#columns[record + which] ?? 0;
  }

  set(record: number, which: number, value: number): void {
    this.#columns[record + which] = value;
  }
}

/** The column of a layer's item. */
export function itemOf(layer: number): number {
  return place.items + 2 * layer;
}

/** The columns of a party. */
export function columnsOf(party: number): number {
  return place.parties + partyColumns * party;
}

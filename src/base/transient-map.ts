import { KeyedHash } from './keyed-hash.ts';

const initialSlots = 64;
/** In place of a slot: the end of a chain. */
const none = -1;

/**
 * A map for entries that come and go all the time. A `Map` replaces its table now and then; each table that it drops
 * refers to the entries of that moment and to the table after it, and once the first of them is old, the collector of
 * young objects takes all for alive. A gateway's messages were kept so until a full collection (`bench/calls.ts`). This
 * table stays in its place, and what leaves it leaves no trace. It only grows; it keeps no order.
 */
export class TransientMap<Value> {
  readonly #hash: KeyedHash;
  #buckets = new Int32Array(initialSlots).fill(none);
  /** Of each slot: the next one in its chain, or in that of the free ones. */
  #nexts = new Int32Array(initialSlots);
  #hashes = new Int32Array(initialSlots);
  #keys: (string | undefined)[] = emptySlots(initialSlots);
  #values: (Value | undefined)[] = emptySlots(initialSlots);
  #free = none;
  /** Slots that were ever used. */
  #used = 0;
  #size = 0;

  constructor(hash: KeyedHash = new KeyedHash()) {
    this.#hash = hash;
  }

  get size(): number {
    return this.#size;
  }

  get(key: string): Value | undefined {
    if (this.#size === 0) return undefined;
    const slot = this.#find(key, this.#hash.of(key));
    return slot === none ? undefined : this.#values[slot];
  }

  has(key: string): boolean {
    return this.#size > 0 && this.#find(key, this.#hash.of(key)) !== none;
  }

  set(key: string, value: Value): void {
    const hash = this.#hash.of(key);
    const present = this.#find(key, hash);
    if (present !== none) {
      this.#values[present] = value;
      return;
    }
    const slot = this.#takeSlot();
    this.#keys[slot] = key;
    this.#values[slot] = value;
    this.#hashes[slot] = hash;
    this.#link(slot, hash);
    this.#size++;
  }

  delete(key: string): boolean {
    if (this.#size === 0) return false;
    const hash = this.#hash.of(key);
    const slot = this.#find(key, hash);
    if (slot === none) return false;
    this.#unlink(slot, hash);
    this.#keys[slot] = undefined;
    this.#values[slot] = undefined;
    this.#nexts[slot] = this.#free;
    this.#free = slot;
    this.#size--;
    return true;
  }

  clear(): void {
    this.#buckets.fill(none);
    this.#keys.fill(undefined);
    this.#values.fill(undefined);
    this.#free = none;
    this.#used = 0;
    this.#size = 0;
  }

  /** In no order. What is deleted meanwhile does not come any more; what is added may or may not. */
  *[Symbol.iterator](): Generator<readonly [key: string, value: Value]> {
    for (let slot = 0; slot < this.#used; slot++) {
      const key = this.#keys[slot];
      // A value may well be undefined; it is `Value` where there is a key.
      if (key !== undefined) yield [key, this.#values[slot] as Value];
    }
  }

  *values(): Generator<Value> {
    for (const [, value] of this) yield value;
  }

  #bucketOf(hash: number): number {
    return hash & (this.#buckets.length - 1);
  }

  #find(key: string, hash: number): number {
    let slot = this.#buckets[this.#bucketOf(hash)] ?? none;
    while (slot !== none && (this.#hashes[slot] !== hash || this.#keys[slot] !== key))
      slot = this.#nexts[slot] ?? none;
    return slot;
  }

  #link(slot: number, hash: number): void {
    const bucket = this.#bucketOf(hash);
    this.#nexts[slot] = this.#buckets[bucket] ?? none;
    this.#buckets[bucket] = slot;
  }

  #unlink(slot: number, hash: number): void {
    const bucket = this.#bucketOf(hash);
    const after = this.#nexts[slot] ?? none;
    let before = this.#buckets[bucket] ?? none;
    if (before === slot) {
      this.#buckets[bucket] = after;
      return;
    }
    while (this.#nexts[before] !== slot) before = this.#nexts[before] ?? none;
    this.#nexts[before] = after;
  }

  #takeSlot(): number {
    const slot = this.#free;
    if (slot !== none) {
      this.#free = this.#nexts[slot] ?? none;
      return slot;
    }
    if (this.#used === this.#keys.length) this.#grow();
    return this.#used++;
  }

  #grow(): void {
    const slots = this.#keys.length * 2;
    this.#keys = moved(this.#keys, slots);
    this.#values = moved(this.#values, slots);
    this.#hashes = widened(this.#hashes, slots);
    this.#nexts = new Int32Array(slots);
    this.#buckets = new Int32Array(slots).fill(none);
    for (let slot = 0; slot < this.#used; slot++) this.#link(slot, this.#hashes[slot] ?? 0);
  }
}

function emptySlots<Item>(count: number): (Item | undefined)[] {
  return new Array<Item | undefined>(count).fill(undefined);
}

/** The old array refers to nothing any more: it would pass for a holder of young objects until a full collection. */
function moved<Item>(items: (Item | undefined)[], count: number): (Item | undefined)[] {
  const wider = emptySlots<Item>(count);
  for (const [at, item] of items.entries()) wider[at] = item;
  items.fill(undefined);
  return wider;
}

function widened(numbers: Int32Array, count: number): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(count);
  wider.set(numbers);
  return wider;
}

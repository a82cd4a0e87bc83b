import { type Clock, KeyedHash, type Timer } from '../../base/index.ts';
import { EntryMemory, noEntry } from './entry-memory.ts';
import { SharedObjects } from './shared-objects.ts';

/** As late as the timers of the wheel: a busy layer clears in strides. */
const strideMs = 10;
const initialBuckets = 64;
/** How often a rising load is looked at, and for how long before it says what is to come. */
const lookMs = 1_000;
const shortestLoadMs = 4_000;

/** Words of an entry behind its length; objects, key and text follow. */
const next = 1;
const hashed = 2;
const endMs = 3;
/** 0: it was forgotten. */
const keyBytes = 4;
/** One more than there are; 0: no text. */
const textBytes = 5;
const headerWords = 6;

/** What an entry was kept with. */
export interface Remains<Objects extends readonly object[]> {
  readonly objects: Objects;
  readonly text: Buffer | undefined;
}

/**
 * Transactions that have given their final answer and only wait for retransmissions, for 64*T1 (Timers J, L and M):
 * most of those that a busy proxy holds. Of each is kept what answers a retransmission and nothing else, as bytes outside
 * of the collected heap, which would grow with them (`bench/calls.ts`); and one timer of the clock ends them all, since
 * they end in the order in which they came.
 */
export class Lingering<Objects extends readonly object[]> {
  readonly #clock: Clock;
  readonly #objectsEach: number;
  readonly #hash = new KeyedHash();
  readonly #shared = new SharedObjects();
  readonly #memory = new EntryMemory();
  /** The newest entry of each chain. */
  #buckets = new Uint32Array(initialBuckets).fill(noEntry);
  #size = 0;
  #timer: Timer | undefined;
  #nextLookMs = 0;

  constructor(clock: Clock, objectsEach: Objects['length']) {
    this.#clock = clock;
    this.#objectsEach = objectsEach;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * `durationMs` is the same for all; `text` is latin1. A second transaction of the same key takes the place of the first.
   */
  keep(key: string, objects: Objects, text: string | undefined, durationMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#nextLookMs) this.#lookAhead(nowMs, durationMs);
    const hash = this.#hash.of(key);
    const before = this.#find(key, hash);
    if (before !== noEntry) this.#forget(before);
    if (this.#size >= this.#buckets.length) this.#widen();
    const keyLength = Buffer.byteLength(key);
    const words = this.#firstByte - 1;
    const at = this.#memory.append(words * 4 + keyLength + (text?.length ?? 0));
    this.#memory.setWord(at, hashed, hash);
    this.#memory.setWord(at, endMs, Math.ceil(nowMs + durationMs));
    this.#memory.setWord(at, keyBytes, keyLength);
    this.#memory.setWord(at, textBytes, text === undefined ? 0 : text.length + 1);
    for (let index = 0; index < this.#objectsEach; index++) {
      const object = objects[index];
      if (object !== undefined) this.#memory.setWord(at, headerWords + index, this.#shared.take(object));
    }
    const bytes = this.#memory.bytesOf(at, this.#firstByte);
    bytes.write(key, 0, 'utf8');
    if (text !== undefined) bytes.write(text, keyLength, 'latin1');
    this.#link(at, hash);
    this.#size++;
    this.#timer ??= this.#clock.setTimer(durationMs, this.#end);
  }

  get(key: string): Remains<Objects> | undefined {
    if (this.#size === 0) return undefined;
    const at = this.#find(key, this.#hash.of(key));
    if (at === noEntry) return undefined;
    const objects = Array.from({ length: this.#objectsEach }, (_, index) =>
      this.#shared.get(this.#memory.word(at, headerWords + index)),
    );
    const start = this.#memory.word(at, keyBytes);
    const length = this.#memory.word(at, textBytes) - 1;
    // A copy: the bytes may be on their way when the entry's end comes.
    const text = Buffer.from(this.#memory.bytesOf(at, this.#firstByte).subarray(start, start + length));
    return { objects: objects as readonly object[] as Objects, text: length < 0 ? undefined : text };
  }

  forget(key: string): void {
    const at = this.#find(key, this.#hash.of(key));
    if (at !== noEntry) this.#forget(at);
    if (this.#size === 0) this.clear();
  }

  clear(): void {
    for (const at of this.#memory) if (this.#memory.word(at, keyBytes) > 0) this.#forget(at);
    this.#memory.clear();
    this.#buckets = new Uint32Array(initialBuckets).fill(noEntry);
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  get #firstByte(): number {
    return headerWords + this.#objectsEach;
  }

  readonly #end = (): void => {
    this.#timer = undefined;
    const now = Math.floor(this.#clock.monotonicMs());
    for (let at = this.#memory.oldest(); at !== noEntry; at = this.#memory.oldest()) {
      // Words hold the time modulo 2^32.
      const leftMs = (this.#memory.word(at, endMs) - now) | 0;
      const forgotten = this.#memory.word(at, keyBytes) === 0;
      if (leftMs > 0 && !forgotten) {
        this.#timer = this.#clock.setTimer(Math.max(leftMs, strideMs), this.#end);
        return;
      }
      if (!forgotten) this.#forget(at);
      this.#memory.dropOldest();
    }
    this.clear();
  };

  /**
   * Whatever the rate, memory is full when the first entries end: it is taken as soon as the rate is known, so that a
   * gateway under load has its final size after some seconds instead of half a minute.
   */
  #lookAhead(nowMs: number, durationMs: number): void {
    this.#nextLookMs = nowMs + lookMs;
    const oldest = this.#memory.oldest();
    if (oldest === noEntry) return;
    const leftMs = (this.#memory.word(oldest, endMs) - Math.floor(nowMs)) | 0;
    const lastedMs = durationMs - leftMs;
    if (lastedMs >= shortestLoadMs) this.#memory.reserve((this.#memory.used * durationMs) / lastedMs);
  }

  #find(key: string, hash: number): number {
    let at = this.#buckets[this.#bucketOf(hash)] ?? noEntry;
    while (at !== noEntry && (this.#memory.word(at, hashed) !== hash >>> 0 || !this.#isOf(at, key)))
      at = this.#memory.word(at, next);
    return at;
  }

  /** Whole keys are compared: no two requests are ever taken for one. */
  #isOf(at: number, key: string): boolean {
    const bytes = this.#memory.bytesOf(at, this.#firstByte);
    return bytes.toString('utf8', 0, this.#memory.word(at, keyBytes)) === key;
  }

  #bucketOf(hash: number): number {
    return hash & (this.#buckets.length - 1);
  }

  #link(at: number, hash: number): void {
    const bucket = this.#bucketOf(hash);
    this.#memory.setWord(at, next, this.#buckets[bucket] ?? noEntry);
    this.#buckets[bucket] = at;
  }

  /** Its bytes stay until those before it have gone. */
  #forget(at: number): void {
    const bucket = this.#bucketOf(this.#memory.word(at, hashed));
    const after = this.#memory.word(at, next);
    let before = this.#buckets[bucket] ?? noEntry;
    if (before === at) this.#buckets[bucket] = after;
    else {
      while (this.#memory.word(before, next) !== at) before = this.#memory.word(before, next);
      this.#memory.setWord(before, next, after);
    }
    for (let index = 0; index < this.#objectsEach; index++)
      this.#shared.giveBack(this.#memory.word(at, headerWords + index));
    this.#memory.setWord(at, keyBytes, 0);
    this.#size--;
  }

  #widen(): void {
    this.#buckets = new Uint32Array(this.#buckets.length * 2).fill(noEntry);
    for (const at of this.#memory)
      if (this.#memory.word(at, keyBytes) > 0) this.#link(at, this.#memory.word(at, hashed));
  }
}

import type { Random } from '../base/index.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter, cborMajor } from './byte-writer.ts';
import { XChaCha20 } from './chacha20.ts';
import { layerNames } from './commitment.ts';
import { sha256 } from './digest.ts';
import { openingVersion } from './entry.ts';
import { ProvenanceError } from './error.ts';

/** What an opening looks like on disk as soon as it is about somebody. */
const sealedVersion = 3;
const nonceBytes = 16;
const recordKeyBytes = 32;
const sealedParts = 7;
/** Of all before it: what was erased opens no commitment that would notice a changed byte. */
const checksumBytes = 8;
const sharedLayers = layerNames.length - 1;

/** What a keystream lies over: the last 8 bytes of its nonce. */
const part = { recordKey: 0, erachter: 1, item: 2, shared: 3 } as const;
/** Both parties can be one identity: each place has keystreams of its own. */
const partsOfPlace = 4;

/** The key of one party, and the place in the key file where it is found again. */
export interface PartyKey {
  readonly slot: number;
  readonly key: Uint8Array;
}

/** Where the items of an opening begin, four layers and then the parties, counted from its first byte. */
export interface OpeningItems {
  readonly starts: readonly number[];
  readonly layersEnd: number;
}

/** A plain opening: what its writer holds between two places. */
export interface PlainOpening extends OpeningItems {
  readonly writer: ByteWriter;
  readonly from: number;
  readonly end: number;
}

/**
 * Puts openings under a key of their own, wrapped once for each party: ERIN, ERAAN and EROMHEEN open with any party's
 * key, ERACHTER (what one says about the other) with all of them together, each party's own item with that party's key
 * alone. Commitments vouch for the contents, so the ciphers need not. A record about nobody stays as it is.
 */
export class OpeningSealer {
  readonly #random: Random;
  readonly #nonce = new Uint8Array(nonceBytes);
  readonly #recordKey = new Uint8Array(recordKeyBytes);
  readonly #cipher = new XChaCha20();
  /** Where each party's copy of the record's key stands. */
  readonly #wraps: number[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** Overwrites what the writer holds. */
  seal(writer: ByteWriter, opening: PlainOpening, parties: readonly PartyKey[]): void {
    const { writer: plain, from, end, starts, layersEnd } = opening;
    writer.reset();
    if (parties.length === 0) {
      writer.from(plain, from, end);
      return;
    }
    const cipher = this.#cipher;
    this.#random.fill(this.#nonce, 0, nonceBytes);
    this.#random.fill(this.#recordKey, 0, recordKeyBytes);
    writer.head(cborMajor.array, sealedParts);
    writer.head(cborMajor.unsigned, sealedVersion);
    writer.byteString(this.#nonce);
    writer.head(cborMajor.array, parties.length);
    this.#wraps.length = 0;
    for (const { slot } of parties) {
      writer.head(cborMajor.array, 2);
      writer.head(cborMajor.unsigned, slot);
      writer.byteString(this.#recordKey);
      this.#wraps.push(writer.length - recordKeyBytes);
    }
    const sharedStart = starts[0] ?? 0;
    const sharedEnd = starts[sharedLayers] ?? 0;
    const shared = writer.byteStringFrom(plain, from + sharedStart, from + sharedEnd);
    const erachter = writer.byteStringFrom(plain, from + sharedEnd, from + layersEnd);
    const erachterEnd = writer.length;
    writer.head(cborMajor.array, parties.length);
    let at = 0;
    for (const { key } of parties) {
      const start = from + (starts[layerNames.length + at] ?? 0);
      const next = starts[layerNames.length + at + 1];
      const item = writer.byteStringFrom(plain, start, next === undefined ? end : from + next);
      const wrap = this.#wraps[at] ?? 0;
      const place = partsOfPlace * at++;
      cipher.begin(key, this.#nonce);
      writer.mask(cipher, wrap, wrap + recordKeyBytes, place + part.recordKey);
      writer.mask(cipher, erachter, erachterEnd, place + part.erachter);
      writer.mask(cipher, item, writer.length, place + part.item);
    }
    cipher.begin(this.#recordKey, this.#nonce);
    writer.mask(cipher, shared, shared + sharedEnd - sharedStart, part.shared);
    const checksum = writer.digest().slice(0, checksumBytes);
    writer.head(cborMajor.bytes, checksumBytes);
    writer.latin1(checksum);
  }
}

/** The key in a slot; undefined once its party was erased. */
export interface PartyKeySource {
  keyIn(slot: number): Uint8Array | undefined;
}

export interface UnsealedOpening {
  /** A plain opening with null in the place of each item that can no longer be opened. */
  readonly opening: Uint8Array;
  /** The slots of the parties, in their order. */
  readonly slots: readonly number[];
}

/** Throws ProvenanceError `record-malformed`; wrong keys give bytes that no commitment fits. */
export function unsealOpening(sealed: Uint8Array, keys: PartyKeySource): UnsealedOpening {
  if (!isSealed(sealed)) return { opening: sealed, slots: [] };
  const opened = new SealedOpening(sealed, keys);
  const { bytes, slots, shared, items } = opened;
  const text = opened.erachter();
  const writer = new ByteWriter();
  writer.head(cborMajor.array, 3);
  writer.head(cborMajor.unsigned, openingVersion);
  writer.head(cborMajor.array, layerNames.length);
  if (shared) writer.part(bytes, shared.start, shared.end);
  else for (let at = 0; at < sharedLayers; at++) writer.uint8(cborNull);
  if (text) writer.part(bytes, text.start, text.end);
  else writer.uint8(cborNull);
  writer.head(cborMajor.array, items.length);
  for (const item of items)
    if (item) writer.part(bytes, item.start, item.end);
    else writer.uint8(cborNull);
  return { opening: writer.copy(), slots };
}

const cborNull = 0xf6;

/** False for a plain opening: that of a record about nobody. */
export function isSealed(opening: Uint8Array): boolean {
  return opening[0] === (cborMajor.array | sealedParts);
}

/** A part of an opening that was sealed, the mask taken off. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** Used anew for each opening. */
const cipher = new XChaCha20();

/** What there are keys for of a sealed opening. Throws ProvenanceError `record-malformed`. */
export class SealedOpening {
  /** What the stretches are of. */
  readonly bytes: Buffer;
  /** Of the parties, in their order. */
  readonly slots: readonly number[];
  /** ERIN, ERAAN and EROMHEEN. */
  readonly shared: Stretch | undefined;
  /** Those of the parties; undefined: erased. */
  readonly items: readonly (Stretch | undefined)[];
  readonly #words: DataView;
  readonly #nonce: Uint8Array;
  readonly #keys: readonly (Uint8Array | undefined)[];
  readonly #erachter: Stretch;

  constructor(sealed: Uint8Array, keys: PartyKeySource) {
    const bytes = Buffer.from(sealed);
    this.bytes = bytes;
    this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const reader = new ByteReader(bytes);
    const parts = reader.head(cborMajor.array);
    const version = reader.head(cborMajor.unsigned);
    this.#nonce = reader.bytes();
    const count = reader.head(cborMajor.array);
    if (
      parts !== sealedParts ||
      version !== sealedVersion ||
      this.#nonce.length !== nonceBytes ||
      count === 0
    )
      throw malformed();
    const slots: number[] = [];
    const wraps: Stretch[] = [];
    for (let left = count; left > 0; left--) {
      if (reader.head(cborMajor.array) !== 2) throw malformed();
      slots.push(reader.head(cborMajor.unsigned));
      const wrap = stretchOf(reader);
      if (wrap.end - wrap.start !== recordKeyBytes) throw malformed();
      wraps.push(wrap);
    }
    const shared = stretchOf(reader);
    this.#erachter = stretchOf(reader);
    if (reader.head(cborMajor.array) !== count) throw malformed();
    const items = slots.map(() => stretchOf(reader));
    const checksum = checksumOf(bytes.subarray(0, reader.at));
    if (!checksum.equals(reader.bytes()) || reader.at !== bytes.length) throw malformed();
    this.slots = slots;
    this.#keys = slots.map((slot) => keys.keyIn(slot));
    const recordKey = this.#unmaskParties(wraps, items);
    this.items = items.map((item, at) => (this.#keys[at] ? item : undefined));
    this.shared = recordKey && shared;
    if (!recordKey) return;
    cipher.begin(recordKey, this.#nonce);
    this.#unmask(shared, part.shared);
  }

  /** What one party says of the other, for whoever has the keys of all; to be called once. */
  erachter(): Stretch | undefined {
    if (this.#keys.includes(undefined)) return undefined;
    for (const [at, key] of this.#keys.entries()) {
      cipher.begin(key ?? this.#nonce, this.#nonce);
      this.#unmask(this.#erachter, partsOfPlace * at + part.erachter);
    }
    return this.#erachter;
  }

  /** Returns the record's own key, if any party's key is there. */
  #unmaskParties(wraps: readonly Stretch[], items: readonly Stretch[]): Buffer | undefined {
    let recordKey: Buffer | undefined;
    for (const [at, key] of this.#keys.entries()) {
      const [wrap, item] = [wraps[at], items[at]];
      if (!key || !wrap || !item) continue;
      cipher.begin(key, this.#nonce);
      this.#unmask(wrap, partsOfPlace * at + part.recordKey);
      this.#unmask(item, partsOfPlace * at + part.item);
      const unwrapped = this.bytes.subarray(wrap.start, wrap.end);
      if (recordKey && !recordKey.equals(unwrapped)) throw malformed();
      recordKey = unwrapped;
    }
    return recordKey;
  }

  #unmask({ start, end }: Stretch, lies: number): void {
    cipher.mask(this.#words, start, end, lies);
  }
}

/** Passes a byte string. */
function stretchOf(reader: ByteReader): Stretch {
  const start = reader.byteString();
  return { start, end: reader.at };
}

function malformed(): ProvenanceError {
  return new ProvenanceError('record-malformed', 'a sealed opening has another form');
}

function checksumOf(bytes: Uint8Array): Buffer {
  return sha256(bytes).subarray(0, checksumBytes);
}

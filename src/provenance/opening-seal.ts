import { crc32 } from 'node:zlib';
import type { Random } from '../base/index.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter, cborMajor } from './byte-writer.ts';
import { XChaCha20 } from './chacha20.ts';
import { layerNames } from './commitment.ts';
import { sha256 } from './digest.ts';
import { openingVersion } from './entry.ts';
import { ProvenanceError } from './error.ts';
import { columnsOf, itemOf, partyPlace, place, type RecordPlaces } from './record-places.ts';

/** What an opening looks like on disk as soon as it is about somebody. */
const sealedVersion = 4;
/** Of earlier builds, whose checksum was a digest. */
const digestVersion = 3;
const nonceBytes = 16;
/** In the opening. */
const nonceAt = 3;
const recordKeyBytes = 32;
const sealedParts = 7;
/** CRC-32 of all before it: what was erased opens no commitment that would notice a changed byte. */
const checksumBytes = 4;
const digestBytes = 8;
export const sharedLayers: number = layerNames.length - 1;

/** What a keystream lies over: the last 8 bytes of its nonce. */
const part = { recordKey: 0, erachter: 1, item: 2, shared: 3 } as const;
/** Both parties can be one identity: each place has keystreams of its own. */
const partsOfPlace = 4;

/** The key of one party, and the place in the key file where it is found again. */
export interface PartyKey {
  readonly slot: number;
  readonly key: Uint8Array;
}

/** Before the wraps of so many parties, the nonce blank. */
export function writeSealedHead(writer: ByteWriter, parties: number): void {
  writer.head(cborMajor.array, sealedParts);
  writer.head(cborMajor.unsigned, sealedVersion);
  writer.head(cborMajor.bytes, nonceBytes);
  writer.skip(nonceBytes);
  writer.head(cborMajor.array, parties);
}

/** Returns where the wrapped key is going to stand. */
export function leaveRoomForWrap(writer: ByteWriter, slot: number): number {
  writer.head(cborMajor.array, 2);
  writer.head(cborMajor.unsigned, slot);
  writer.head(cborMajor.bytes, recordKeyBytes);
  return writer.skip(recordKeyBytes);
}

/** Behind all items, the checksum blank. */
export function writeSealedEnd(writer: ByteWriter): void {
  writer.head(cborMajor.bytes, checksumBytes);
  writer.skip(checksumBytes);
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

  constructor(random: Random) {
    this.#random = random;
  }

  /** Masks an opening where it lies, and fills in nonce, wraps and checksum. */
  seal(
    writer: ByteWriter,
    places: RecordPlaces,
    at: number,
    parties: readonly { readonly key: Uint8Array }[],
  ): void {
    const cipher = this.#cipher;
    this.#random.fill(this.#nonce, 0, nonceBytes);
    this.#random.fill(this.#recordKey, 0, recordKeyBytes);
    const opening = places.of(at, place.opening);
    writer.rawAt(opening + nonceAt, this.#nonce);
    const erachter = places.of(at, itemOf(sharedLayers));
    const erachterEnd = places.of(at, itemOf(sharedLayers) + 1);
    let number = 0;
    for (const { key } of parties) {
      const columns = columnsOf(number);
      const wrap = places.of(at, columns + partyPlace.wrap);
      const lies = partsOfPlace * number++;
      writer.rawAt(wrap, this.#recordKey);
      cipher.begin(key, this.#nonce);
      writer.mask(cipher, wrap, wrap + recordKeyBytes, lies + part.recordKey);
      writer.mask(cipher, erachter, erachterEnd, lies + part.erachter);
      const item = places.of(at, columns + partyPlace.start);
      writer.mask(cipher, item, places.of(at, columns + partyPlace.end), lies + part.item);
    }
    cipher.begin(this.#recordKey, this.#nonce);
    const sharedEnd = places.of(at, itemOf(sharedLayers - 1) + 1);
    writer.mask(cipher, places.of(at, itemOf(0)), sharedEnd, part.shared);
    const end = places.of(at, place.end) - checksumBytes;
    writer.uint32At(end, writer.crc32Of(opening, end - 1));
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
      (version !== sealedVersion && version !== digestVersion) ||
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
    const checksum = checksumOf(bytes.subarray(0, reader.at), version);
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

function checksumOf(bytes: Uint8Array, version: number): Buffer {
  if (version === digestVersion) return sha256(bytes).subarray(0, digestBytes);
  const checksum = Buffer.allocUnsafe(checksumBytes);
  checksum.writeUInt32BE(crc32(bytes));
  return checksum;
}

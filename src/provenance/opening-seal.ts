import type { Random } from '../base/index.ts';
import { type CborValue, decodeCbor } from '../tokens/index.ts';
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

/** Throws TokenError or ProvenanceError `record-malformed`; wrong keys give bytes that no commitment fits. */
export function unsealOpening(sealed: Uint8Array, keys: PartyKeySource): UnsealedOpening {
  if (sealed[0] !== (cborMajor.array | sealedParts)) return { opening: sealed, slots: [] };
  const { nonce, parties, shared, erachter, items } = decodeSealed(sealed);
  const cipher = new XChaCha20();
  let recordKey: Buffer | undefined;
  let complete = true;
  const opened: (Buffer | undefined)[] = [];
  const text = Buffer.from(erachter);
  for (const [at, { slot, wrapped }] of parties.entries()) {
    const key = keys.keyIn(slot);
    const item = Buffer.from(items[at] ?? []);
    if (!key) {
      complete = false;
      opened.push(undefined);
      continue;
    }
    const unwrapped = Buffer.from(wrapped);
    cipher.begin(key, nonce);
    unmask(cipher, unwrapped, partsOfPlace * at + part.recordKey);
    if (recordKey && !recordKey.equals(unwrapped)) throw malformed();
    recordKey = unwrapped;
    unmask(cipher, text, partsOfPlace * at + part.erachter);
    unmask(cipher, item, partsOfPlace * at + part.item);
    opened.push(item);
  }
  const writer = new ByteWriter();
  writer.head(cborMajor.array, 3);
  writer.head(cborMajor.unsigned, openingVersion);
  writer.head(cborMajor.array, layerNames.length);
  if (recordKey) {
    const layers = Buffer.from(shared);
    cipher.begin(recordKey, nonce);
    unmask(cipher, layers, part.shared);
    writer.raw(layers);
  } else for (let at = 0; at < sharedLayers; at++) writer.uint8(cborNull);
  if (complete) writer.raw(text);
  else writer.uint8(cborNull);
  writer.head(cborMajor.array, opened.length);
  for (const item of opened)
    if (item) writer.raw(item);
    else writer.uint8(cborNull);
  return { opening: writer.copy(), slots: parties.map(({ slot }) => slot) };
}

const cborNull = 0xf6;

interface Sealed {
  readonly nonce: Uint8Array;
  readonly parties: readonly { readonly slot: number; readonly wrapped: Uint8Array }[];
  readonly shared: Uint8Array;
  readonly erachter: Uint8Array;
  readonly items: readonly Uint8Array[];
}

function decodeSealed(bytes: Uint8Array): Sealed {
  const parts = decodeCbor(bytes);
  if (!Array.isArray(parts) || parts.length !== sealedParts) throw malformed();
  const [version, nonce, wraps, shared, erachter, items, checksum]: readonly (CborValue | undefined)[] =
    parts;
  if (
    version !== sealedVersion ||
    !(nonce instanceof Uint8Array) ||
    nonce.length !== nonceBytes ||
    !Array.isArray(wraps) ||
    !(shared instanceof Uint8Array) ||
    !(erachter instanceof Uint8Array) ||
    !Array.isArray(items) ||
    items.length !== wraps.length ||
    items.length === 0 ||
    !(checksum instanceof Uint8Array) ||
    !checksumOf(bytes.subarray(0, bytes.length - checksumBytes - 1)).equals(checksum)
  )
    throw malformed();
  return {
    nonce,
    parties: wraps.map((wrap: CborValue) => {
      const [slot, wrapped]: readonly (CborValue | undefined)[] = Array.isArray(wrap) ? wrap : [];
      if (typeof slot !== 'number' || slot < 0 || !(wrapped instanceof Uint8Array) || wrapped.length !== 32)
        throw malformed();
      return { slot, wrapped };
    }),
    shared,
    erachter,
    items: items.map((item: CborValue) => {
      if (!(item instanceof Uint8Array)) throw malformed();
      return item;
    }),
  };
}

function malformed(): ProvenanceError {
  return new ProvenanceError('record-malformed', 'a sealed opening has another form');
}

function checksumOf(bytes: Uint8Array): Buffer {
  return sha256(bytes).subarray(0, checksumBytes);
}

function unmask(cipher: XChaCha20, { buffer, byteOffset, length }: Buffer, lies: number): void {
  cipher.mask(new DataView(buffer, byteOffset, length), 0, length, lies);
}

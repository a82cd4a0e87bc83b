import { asBuffer, type Random } from '../base/index.ts';
import { type CborValue, decodeCbor } from '../tokens/index.ts';
import { ByteWriter, cborMajor } from './byte-writer.ts';
import { layerNames } from './commitment.ts';
import { keystream, sha256 } from './digest.ts';
import { openingVersion } from './entry.ts';
import { ProvenanceError } from './error.ts';
import { KeystreamMask } from './keystream-mask.ts';

/** What an opening looks like on disk as soon as it is about somebody. */
const sealedVersion = 2;
const nonceBytes = 16;
const recordKeyBytes = 32;
const sealedParts = 7;
/** Of all before it: what was erased opens no commitment that would notice a changed byte. */
const checksumBytes = 8;
const sharedLayers = layerNames.length - 1;

const context = { party: 'tibet-sip/opening/party/v1', shared: 'tibet-sip/opening/shared/v1' } as const;

/** The key of one party, and the place in the key file where it is found again. */
export interface PartyKey {
  readonly slot: number;
  readonly key: Uint8Array;
}

/** Where the items of a plain opening begin, and where the last one ends. */
export interface PlainOpening {
  readonly bytes: Uint8Array;
  /** Four layers, then the parties. */
  readonly starts: readonly number[];
  readonly layersEnd: number;
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
  readonly #mask = new KeystreamMask();
  readonly #items = new ByteWriter();
  readonly #keyed = new ByteWriter();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Overwrites what the writer holds. */
  seal(writer: ByteWriter, { bytes, starts, layersEnd }: PlainOpening, parties: readonly PartyKey[]): void {
    writer.reset();
    if (parties.length === 0) {
      writer.raw(bytes);
      return;
    }
    const mask = this.#mask;
    const opening = asBuffer(bytes);
    this.#random.fill(this.#nonce, 0, nonceBytes);
    this.#random.fill(this.#recordKey, 0, recordKeyBytes);
    mask.reserve(recordKeyBytes + bytes.length);
    const erachterAt = starts[sharedLayers] ?? 0;
    const itemAt = recordKeyBytes + layersEnd - erachterAt;
    writer.head(cborMajor.array, sealedParts);
    writer.head(cborMajor.unsigned, sealedVersion);
    writer.byteString(this.#nonce);
    writer.head(cborMajor.array, parties.length);
    this.#items.reset();
    this.#items.head(cborMajor.array, parties.length);
    // Under the mask lie record key, ERACHTER and item; ERACHTER stays, so that every party's keystream goes over it.
    opening.copy(mask.bytes, recordKeyBytes, erachterAt, layersEnd);
    let party = layerNames.length;
    for (const { slot, key } of parties) {
      const start = starts[party++] ?? 0;
      const end = starts[party] ?? bytes.length;
      mask.bytes.set(this.#recordKey);
      opening.copy(mask.bytes, itemAt, start, end);
      const length = itemAt + end - start;
      mask.apply(this.#keystream(context.party, key, length));
      writer.head(cborMajor.array, 2);
      writer.head(cborMajor.unsigned, slot);
      writer.byteStringOf(mask.bytes, 0, recordKeyBytes);
      this.#items.byteStringOf(mask.bytes, itemAt, length);
    }
    const erachter = mask.bytes.toString('latin1', recordKeyBytes, itemAt);
    const sharedAt = starts[0] ?? 0;
    opening.copy(mask.bytes, 0, sharedAt, erachterAt);
    mask.apply(this.#keystream(context.shared, this.#recordKey, erachterAt - sharedAt));
    writer.byteStringOf(mask.bytes, 0, erachterAt - sharedAt);
    writer.head(cborMajor.bytes, erachter.length);
    writer.latin1(erachter);
    writer.from(this.#items, 0);
    const checksum = writer.digest().slice(0, checksumBytes);
    writer.head(cborMajor.bytes, checksumBytes);
    writer.latin1(checksum);
  }

  /** As `keystream` makes it, from memory that is there already. */
  #keystream(purpose: string, key: Uint8Array, length: number): string {
    this.#keyed.reset();
    this.#keyed.latin1(purpose);
    this.#keyed.raw(key);
    this.#keyed.raw(this.#nonce);
    return this.#keyed.keystream(length);
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
    const stream = keystream([context.party, key, nonce], recordKeyBytes + text.length + item.length);
    const unwrapped = Buffer.from(wrapped);
    xor(unwrapped, stream, 0);
    if (recordKey && !recordKey.equals(unwrapped)) throw malformed();
    recordKey = unwrapped;
    xor(text, stream, recordKeyBytes);
    xor(item, stream, recordKeyBytes + text.length);
    opened.push(item);
  }
  const writer = new ByteWriter();
  writer.head(cborMajor.array, 3);
  writer.head(cborMajor.unsigned, openingVersion);
  writer.head(cborMajor.array, layerNames.length);
  if (recordKey) {
    const layers = Buffer.from(shared);
    xor(layers, keystream([context.shared, recordKey, nonce], layers.length), 0);
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

/** `stream` has one character per byte. */
function xor(bytes: Buffer, stream: string, from: number): void {
  for (let at = 0; at < bytes.length; at++) bytes[at] = (bytes[at] ?? 0) ^ stream.charCodeAt(from + at);
}

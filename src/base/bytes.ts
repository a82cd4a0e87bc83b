const base32Alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

const base32Values: Int8Array = (() => {
  const values = new Int8Array(128).fill(-1);
  for (let i = 0; i < base32Alphabet.length; i++) values[base32Alphabet.charCodeAt(i)] = i;
  return values;
})();

const base32Codes: Uint8Array = Uint8Array.from(base32Alphabet, (character) => character.charCodeAt(0));

/** Two characters for ten bits: fingerprints and record ids are written some ten times a call or registration. */
const base32Pairs: Uint16Array = Uint16Array.from(
  { length: 1024 },
  (_, bits) => (base32Codes[bits >> 5] ?? 0) | ((base32Codes[bits & 31] ?? 0) << 8),
);

/** Texts up to here are written into memory that is used again: one string instead of one for each character. */
const base32Scratch: Buffer = Buffer.allocUnsafeSlow(256);

/** RFC 4648 §6 base32 in lower case, without padding; of a part of the bytes, where that is said. */
export function encodeBase32(bytes: Uint8Array, from = 0, to: number = bytes.length): string {
  const length = Math.ceil(((to - from) * 8) / 5);
  const text = length <= base32Scratch.length ? base32Scratch : Buffer.allocUnsafe(length);
  let at = 0;
  let next = from;
  for (; next + 5 <= to; next += 5) {
    const [b, c, d] = [bytes[next + 1] ?? 0, bytes[next + 2] ?? 0, bytes[next + 3] ?? 0];
    at = putPair(text, at, ((bytes[next] ?? 0) << 2) | (b >> 6));
    at = putPair(text, at, ((b & 63) << 4) | (c >> 4));
    at = putPair(text, at, ((c & 15) << 6) | (d >> 2));
    at = putPair(text, at, ((d & 3) << 8) | (bytes[next + 4] ?? 0));
  }
  let buffer = 0;
  let bits = 0;
  for (let i = next; i < to; i++) {
    buffer = ((buffer << 8) | (bytes[i] ?? 0)) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text[at++] = base32Codes[(buffer >> bits) & 31] ?? 0;
    }
  }
  if (bits > 0) text[at++] = base32Codes[(buffer << (5 - bits)) & 31] ?? 0;
  return text.toString('latin1', 0, at);
}

function putPair(text: Buffer, at: number, tenBits: number): number {
  const pair = base32Pairs[tenBits] ?? 0;
  text[at] = pair & 0xff;
  text[at + 1] = pair >> 8;
  return at + 2;
}

/** The bytes of canonical lower-case base32, or undefined: one text for one value, so trailing bits must be zero. */
export function decodeBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let at = 0;
  let next = 0;
  for (; next + 8 <= text.length; next += 8) {
    const high = fourDigits(text, next);
    const low = fourDigits(text, next + 4);
    if ((high | low) < 0) return undefined;
    bytes[at] = high >> 12;
    bytes[at + 1] = high >> 4;
    bytes[at + 2] = ((high & 15) << 4) | (low >> 16);
    bytes[at + 3] = low >> 8;
    bytes[at + 4] = low;
    at += 5;
  }
  let buffer = 0;
  let bits = 0;
  for (let i = next; i < text.length; i++) {
    const value = digit(text, i);
    if (value < 0) return undefined;
    buffer = ((buffer << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (buffer >> bits) & 0xff;
    }
  }
  if (bits >= 5 || (buffer & ((1 << bits) - 1)) !== 0) return undefined;
  return bytes;
}

/** Twenty bits; negative where a character is no digit. */
function fourDigits(text: string, at: number): number {
  return (
    (digit(text, at) << 15) | (digit(text, at + 1) << 10) | (digit(text, at + 2) << 5) | digit(text, at + 3)
  );
}

function digit(text: string, at: number): number {
  return base32Values[text.charCodeAt(at)] ?? -1;
}

/** RFC 4648 §5 base64url without padding. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64url');
}

/** The bytes of canonical unpadded base64url, or undefined: Buffer alone would ignore foreign characters. */
export function decodeBase64Url(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

export function encodeHex(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('hex');
}

/** The bytes of lower-case hexadecimal, or undefined. */
export function decodeHex(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'hex');
  return bytes.toString('hex') === text ? bytes : undefined;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

/** Plain comparison; secrets are compared with `timingSafeEqual` of node:crypto instead. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && asBuffer(a).equals(b);
}

/** A Buffer view of the same memory, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A few bytes of their own: such an array lies in V8's heap and costs less than a view. */
export function shortCopy(memory: Uint8Array, from: number, to: number): Uint8Array {
  const copy = new Uint8Array(to - from);
  for (let at = 0; at < copy.length; at++) copy[at] = memory[from + at] ?? 0;
  return copy;
}

/** Whether these bytes stand at `at`. */
export function standsAt(memory: Uint8Array, at: number, bytes: Uint8Array): boolean {
  let same = 0;
  while (same < bytes.length && memory[at + same] === bytes[same]) same++;
  return same === bytes.length;
}

/** Four bytes, little-endian. */
export function int32At(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

/** Twice as much memory that begins with what was there, which is wiped where it was. */
export function moveToTwice(memory: Buffer): Buffer {
  const wider = Buffer.alloc(2 * memory.length);
  memory.copy(wider);
  memory.fill(0);
  return wider;
}

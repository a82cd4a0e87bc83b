import { asBuffer, type Random } from '../base/index.ts';

const fingerprintBytes = 32;

/** Who chooses fingerprints must not choose which of them meet. */
export function fingerprintSeed(random: Random): number {
  return asBuffer(random.bytes(4)).readInt32LE(0);
}

/** Whether these bytes stand at `at`. */
export function standsAt(memory: Uint8Array, at: number, fingerprint: Uint8Array): boolean {
  let same = 0;
  while (same < fingerprintBytes && memory[at + same] === fingerprint[same]) same++;
  return same === fingerprintBytes;
}

/** A few bytes of their own: such an array lies in V8's heap and costs less than a view. */
export function shortCopy(memory: Uint8Array, from: number, to: number): Uint8Array {
  const copy = new Uint8Array(to - from);
  for (let at = 0; at < copy.length; at++) copy[at] = memory[from + at] ?? 0;
  return copy;
}

/**
 * Where the search for the fingerprint at `at` begins in a table of open addressing whose length is a power of two.
 * Fingerprints are hashes already.
 */
export function placeOfFingerprint(bytes: Uint8Array, at: number, seed: number, places: number): number {
  const word = Math.imul(wordAt(bytes, at) ^ seed, 0x9e37_79b1) ^ wordAt(bytes, at + 4);
  return Math.imul(word, 0x85eb_ca6b) >>> (Math.clz32(places) + 1);
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

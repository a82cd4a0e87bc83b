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

import { createCipheriv, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { XChaCha20 } from '../../src/provenance/chacha20.ts';

/** draft-irtf-cfrg-xchacha-03 §2.2.1. */
const key = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex');
const nonce = Buffer.from('000000090000004a0000000031415927', 'hex');
const subkey = Buffer.from('82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc', 'hex');

function masked(bytes: Buffer, part: number): Buffer {
  const memory = Buffer.concat([Buffer.alloc(3), bytes, Buffer.alloc(3)]);
  const cipher = new XChaCha20();
  cipher.begin(key, nonce);
  cipher.mask(new DataView(memory.buffer, memory.byteOffset), 3, 3 + bytes.length, part);
  expect([memory[2], memory.at(-3)]).toEqual([0, 0]);
  return memory.subarray(3, -3);
}

describe('XChaCha20 in place (draft-irtf-cfrg-xchacha-03)', () => {
  test.each([0, 1, 31, 63, 64, 65, 127, 128, 1_000])('%i bytes come out as from OpenSSL', (length) => {
    for (const part of [0, 1, 7, 0x7fff_ffff]) {
      // Node wants the block counter before the twelve bytes of the nonce; the last eight of them are the part.
      const counterAndNonce = Buffer.alloc(16);
      counterAndNonce.writeUInt32LE(part, 8);
      const bytes = randomBytes(length);
      const wanted = createCipheriv('chacha20', subkey, counterAndNonce).update(bytes);
      expect(masked(bytes, part).equals(wanted)).toBe(true);
      expect(masked(wanted, part).equals(bytes)).toBe(true);
    }
  });
});

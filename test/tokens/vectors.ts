import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { decodeHex } from '../../src/base/index.ts';
import { TokenError } from '../../src/tokens/index.ts';

/** Each vector file is JSON; its shape is what the test that reads it says. */
export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')) as T;
}

export function fromHex(text: string): Uint8Array {
  const bytes = decodeHex(text);
  if (bytes === undefined) throw new Error(`not hexadecimal: ${text}`);
  return Uint8Array.from(bytes);
}

/** Expects a TokenError and gives its code. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(TokenError);
    if (error instanceof TokenError) return error.code;
  }
  throw new Error('nothing was thrown');
}

export async function rejectionCode(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TokenError);
  return error instanceof TokenError ? error.code : '';
}

import { closeSync, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import type { PublishedFiles } from '../provenance/index.ts';
import { CliError, codeOf } from './failure.ts';

/** A bundle has at most 256 entries of 65,535 bytes, each with its length. */
const maxFileBytes = 256 * 65_537;
const timeoutMs = 15_000;
/** A proof of ten thousand records has some thirty megabytes. */
const maxTextBytes = 256_000_000;
const partBytes = 1_048_576;

export function isUrl(text: string): boolean {
  return text.startsWith('http://') || text.startsWith('https://');
}

/** A log that a web server publishes; the address is that of the directory with `checkpoint` and `tile/`. */
export function filesAt(url: string): PublishedFiles {
  const root = url.endsWith('/') ? url : `${url}/`;
  return {
    read: async (path) => {
      const address = addressOf(path, root);
      let response: Response;
      try {
        response = await fetch(address, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
      } catch (error) {
        throw new CliError('unavailable', `cannot fetch ${address.href}`, 'is the address right?', {
          cause: error,
        });
      }
      if (response.status === 404) return undefined;
      if (!response.ok) throw new CliError('unavailable', `${address.href} answers ${response.status}`);
      return readBounded(response, address);
    },
  };
}

function addressOf(path: string, root: string): URL {
  try {
    return new URL(path, root);
  } catch (error) {
    throw new CliError('usage', `${root} is not an address`, 'as in: https://example.com/log', {
      cause: error,
    });
  }
}

/** The server chooses how much it sends: no more than a file of a log can have is taken. */
async function readBounded(response: Response, address: URL): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > maxFileBytes)
      throw new CliError('refused', `${address.href} is larger than any file of a log`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** A copy of a published log. */
export function filesIn(directory: string): PublishedFiles {
  return {
    read: async (path) => {
      const file = join(directory, path);
      // A copy may hold a directory or a pipe in the place of a file: then that file is missing.
      return statOf(file)?.isFile() === true ? readBytes(file, maxFileBytes) : undefined;
    },
  };
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (['ENOTDIR', 'ELOOP'].includes(codeOf(error))) return undefined;
    throw error;
  }
}

/** What somebody was given to check: a file, or a pipe, that may be anything and of any length. */
export function readTextFile(path: string): string {
  return readBytes(path, maxTextBytes).toString('utf8');
}

function readBytes(path: string, maxBytes: number): Buffer {
  const file = openSync(path, 'r');
  try {
    if (fstatSync(file).isDirectory()) throw new CliError('storage', `is a directory: ${path}`);
    const parts: Buffer[] = [];
    for (let length = 0; ; ) {
      const part = Buffer.allocUnsafe(partBytes);
      const read = readSync(file, part);
      if (read === 0) return Buffer.concat(parts);
      length += read;
      if (length > maxBytes)
        throw new CliError('refused', `${path} is larger than any file of a log, or proof, can be`);
      parts.push(part.subarray(0, read));
    }
  } finally {
    closeSync(file);
  }
}

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskStorage, lockFileName } from './disk-storage.ts';

/** What Node reads in one go. */
const maxFileBytes = 2 ** 31 - 1;

/**
 * A log's directory that somebody else may have made: what stands in the place of a file and is none (a device without
 * end, a pipe that nobody writes to, a directory, a link to itself) counts as missing, so that every check comes to an end.
 */
export class HandedOverStorage extends DiskStorage {
  readonly #directory: string;

  constructor(directory: string) {
    super(directory);
    this.#directory = directory;
  }

  override async locked(): Promise<boolean> {
    return (await this.#isFile(lockFileName)) && super.locked();
  }

  override async read(path: string): Promise<Uint8Array | undefined> {
    return (await this.#isFile(path)) ? super.read(path) : undefined;
  }

  async #isFile(path: string): Promise<boolean> {
    try {
      const found = await stat(join(this.#directory, path));
      return found.isFile() && found.size <= maxFileBytes;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return false;
      throw error;
    }
  }
}

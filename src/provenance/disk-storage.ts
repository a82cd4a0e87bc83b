import { close, constants, existsSync, open as fsOpen, writev } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { ProvenanceError } from './error.ts';
import type { AppendFile, DirectoryEntry, Storage, StorageLock } from './storage.ts';

/** Always empty: only its lock matters. */
export const lockFileName = 'lock';

/** A verifier that looks whether the log is locked holds it for an instant: that is no reason not to start. */
const lockPatienceMs = 500;

/** Openings name people: nobody but the gateway's own user reads what is created here. */
const fileMode = 0o600;
const directoryMode = 0o700;

/** One call instead of two for each commit of the journal: a third less of its CPU, most of it waking a thread. */
const { O_RDWR, O_WRONLY, O_CREAT, O_TRUNC, O_DSYNC } = constants;

/** For files that are written in one go: a handle object costs more than the calls do. */
const [openFile, writeParts, closeFile] = [promisify(fsOpen), promisify(writev), promisify(close)];

class DiskFile implements AppendFile {
  readonly #handle: FileHandle;
  #size: number;

  constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  append(bytes: Uint8Array): Promise<void> {
    return this.write(this.#size, bytes);
  }

  async write(at: number, bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const part = await this.#handle.write(bytes, written, bytes.length - written, at + written);
      written += part.bytesWritten;
      this.#size = Math.max(this.#size, at + written);
    }
  }

  async truncate(size: number): Promise<void> {
    await this.#handle.truncate(size);
    this.#size = size;
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** The log's directory on a real file system. */
export class DiskStorage implements Storage {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /**
   * An exclusive SQLite transaction that is never committed: a POSIX file lock that the kernel drops with the
   * process, on every platform that Node runs on. Node has no lock call of its own.
   */
  async lock(): Promise<StorageLock> {
    await mkdir(this.#root, { recursive: true, mode: directoryMode });
    const database = this.#tryLock();
    if (!database)
      throw new ProvenanceError(
        'locked',
        `the audit log in ${this.#root} is in use by another process; only one may write to it`,
      );
    return {
      release: async () => {
        database.close();
      },
    };
  }

  /**
   * Asks for a shared lock only, so that it works where this process may not write. Only SQLite may open the lock
   * file: closing any other descriptor of it would drop this process's own lock (POSIX).
   */
  async locked(): Promise<boolean> {
    const path = this.#path(lockFileName);
    if (!existsSync(path)) return false;
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { readOnly: true });
      database.exec('SELECT count(*) FROM sqlite_master');
      return false;
    } catch (error) {
      return isBusy(error);
    } finally {
      database?.close();
    }
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(this.#path(path));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async readPart(path: string, start: number, end: number): Promise<Uint8Array | undefined> {
    let handle: FileHandle;
    try {
      handle = await open(this.#path(path), 'r');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    try {
      const bytes = Buffer.allocUnsafe(end - start);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
      return bytes.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  }

  async list(path: string): Promise<readonly DirectoryEntry[]> {
    try {
      const entries = await readdir(this.#path(path), { withFileTypes: true });
      return entries.map((entry) => ({ name: entry.name, directory: entry.isDirectory() }));
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  async makeDirectory(path: string): Promise<void> {
    await mkdir(this.#path(path), { recursive: true, mode: directoryMode });
  }

  async syncDirectory(path: string): Promise<void> {
    const handle = await open(this.#path(path), 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async openAppend(path: string, synced = false): Promise<AppendFile> {
    // Not O_APPEND: it would ignore positions, and a part written before an error must be overwritten.
    const flags = O_RDWR | O_CREAT | (synced ? O_DSYNC : 0);
    const handle = await open(this.#path(path), flags, fileMode);
    const { size } = await handle.stat();
    return new DiskFile(handle, size);
  }

  async writeFile(path: string, parts: readonly Uint8Array[]): Promise<void> {
    const file = await openFile(this.#path(path), O_WRONLY | O_CREAT | O_TRUNC | O_DSYNC, fileMode);
    try {
      let left = parts;
      while (left.length > 0) left = rest(left, (await writeParts(file, left)).bytesWritten);
    } finally {
      await closeFile(file);
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(this.#path(from), this.#path(to));
  }

  async remove(path: string): Promise<void> {
    await rm(this.#path(path), { force: true, recursive: true });
  }

  #path(path: string): string {
    return join(this.#root, path);
  }

  #tryLock(): DatabaseSync | undefined {
    let database: DatabaseSync;
    try {
      database = new DatabaseSync(this.#path(lockFileName));
    } catch (cause) {
      throw new ProvenanceError('storage', `cannot write to ${this.#root}`, { cause });
    }
    try {
      database.exec(
        `PRAGMA busy_timeout=${lockPatienceMs}; PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE`,
      );
      return database;
    } catch (cause) {
      database.close();
      if (isBusy(cause)) return undefined;
      throw new ProvenanceError('storage', `cannot lock the audit log in ${this.#root}`, { cause });
    }
  }
}

/** What a write has left. */
function rest(parts: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let passed = 0;
  return parts.flatMap((part) => {
    const from = Math.min(Math.max(written - passed, 0), part.length);
    passed += part.length;
    return from < part.length ? [part.subarray(from)] : [];
  });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

/** SQLITE_BUSY. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 5;
}

/** A file that is written at its end, or over what it holds; only `truncate` takes bytes away. */
export interface AppendFile {
  /** Bytes written so far, whether synced or not. */
  readonly size: number;
  /** Writes all bytes at the end, or throws having written any part of them. */
  append(bytes: Uint8Array): Promise<void>;
  truncate(size: number): Promise<void>;
  /** Writes all bytes there, over what is there and beyond the end; a crash or an error may leave any part of them. */
  write(at: number, bytes: Uint8Array): Promise<void>;
  /** When it returns, data and size are on stable storage. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly directory: boolean;
}

export interface StorageLock {
  release(): Promise<void>;
}

/**
 * All that the log asks of a file system, so that tests can cut it off at every step. Paths are relative to the
 * log's directory and use '/'. Nothing is durable before its `sync`; a new, renamed or removed name is durable
 * after `syncDirectory` of the directory that holds it.
 */
export interface Storage {
  /** Throws ProvenanceError `locked` while another process (or another log of this one) writes here. */
  lock(): Promise<StorageLock>;
  /** True while somebody holds the lock. */
  locked(): Promise<boolean>;
  /** undefined: no such file. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Bytes from `start` up to `end`, fewer where the file ends before; undefined: no such file. */
  readPart(path: string, start: number, end: number): Promise<Uint8Array | undefined>;
  /** Empty for a directory that does not exist. */
  list(path: string): Promise<readonly DirectoryEntry[]>;
  makeDirectory(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /**
   * Creates the file if need be. With `synced`, what is appended or written is on stable storage when that returns, data
   * and size; other changes wait for `sync` as ever.
   */
  openAppend(path: string, synced?: boolean): Promise<AppendFile>;
  /** A whole file, new or in the place of one: when it returns, all bytes are on stable storage; the name is not. */
  writeFile(path: string, parts: readonly Uint8Array[]): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or a directory with all in it; what is gone already is no error. */
  remove(path: string): Promise<void>;
}

/** What reading a log takes, wherever its files lie. */
export type Readable = Pick<Storage, 'read'>;
export type PartlyReadable = Pick<Storage, 'read' | 'readPart'>;

/** Where half-written files live: all that is in here after a crash is rubbish. */
export const temporaryDirectory = 'tmp';

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '.' : path.slice(0, slash);
}

export interface PublishedFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Stands before the bytes. */
  readonly head?: Uint8Array;
  /**
   * Nobody looks for this name before a checkpoint that is yet to come: it is written where it is to lie, and a crash may
   * leave a part of it there. A name less for the kernel to make and to move (`bench/provenance.ts`).
   */
  readonly fresh?: boolean;
}

/**
 * Puts whole files under their names: a crash leaves the old file or the new one, never a part, but for `fresh` ones.
 * Names are durable after `settle`, which syncs each directory touched once.
 */
export class FilePublisher {
  readonly #storage: Storage;
  readonly #known = new Set<string>(['.']);
  readonly #touched = new Set<string>();
  readonly #temporaryPrefix: string;
  #serial = 0;

  /** Publishers that work at the same time need different names for what is half-written. */
  constructor(storage: Storage, temporaryPrefix = '') {
    this.#storage = storage;
    this.#temporaryPrefix = temporaryPrefix;
  }

  async publish({ path, bytes, head, fresh = false }: PublishedFile): Promise<void> {
    const directory = parentOf(path);
    await this.#ensureDirectory(directory);
    if (!fresh) await this.#ensureDirectory(temporaryDirectory);
    const written = fresh ? path : `${temporaryDirectory}/${this.#temporaryPrefix}${this.#serial++}`;
    try {
      await this.#storage.writeFile(written, head ? [head, bytes] : [bytes]);
      if (!fresh) await this.#storage.rename(written, path);
    } catch (error) {
      // On a full disk, what was half-written must not keep the last free bytes.
      await this.#storage.remove(written).catch(() => undefined);
      throw error;
    }
    this.#touched.add(directory);
  }

  /**
   * Directories side by side, the files of each one after the other: the kernel makes one name in a directory at a time.
   * If one fails, all are to be written again.
   */
  async publishAll(files: readonly PublishedFile[]): Promise<void> {
    const byDirectory = Map.groupBy(files, ({ path }) => parentOf(path));
    const done = await Promise.allSettled(
      Array.from(byDirectory.values(), async (together) => {
        for (const file of together) await this.publish(file);
      }),
    );
    for (const one of done) if (one.status === 'rejected') throw one.reason;
  }

  async remove(path: string): Promise<void> {
    await this.#storage.remove(path);
    this.#touched.add(parentOf(path));
  }

  async settle(): Promise<void> {
    const directories = [...this.#touched];
    for (const directory of directories) {
      await this.#storage.syncDirectory(directory);
      this.#touched.delete(directory);
    }
  }

  async #ensureDirectory(path: string): Promise<void> {
    if (this.#known.has(path)) return;
    const parent = parentOf(path);
    await this.#ensureDirectory(parent);
    await this.#storage.makeDirectory(path);
    this.#touched.add(parent);
    this.#known.add(path);
  }
}

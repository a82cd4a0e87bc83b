import { ProvenanceError } from '../../../src/provenance/error.ts';
import {
  type AppendFile,
  type DirectoryEntry,
  parentOf,
  type Storage,
  type StorageLock,
} from '../../../src/provenance/storage.ts';

/** Thrown by every operation once the process is "dead". */
export class Crash extends Error {}

interface Inode {
  data: Buffer;
  /** What a power cut would leave for certain. */
  synced: Buffer;
}

type Name = Inode | 'directory';

/** What a disk writes as a whole. */
const sectorBytes = 512;

/** A seeded generator (xorshift32): the same crash happens again when a test is run again. */
export function seeded(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x1_0000_0000;
  };
}

/**
 * A file system in memory that keeps apart what was written and what was synced. It can die at any step, run out
 * of space, turn read-only or fail to sync; and it can be picked up again as a killed process (all that was
 * written is there) or a power cut (of what was not synced, anything may be missing or torn) would leave it.
 */
export class SimulatedDisk implements Storage {
  readonly #names = new Map<string, Name>([['.', 'directory']]);
  readonly #durableNames = new Map<string, Name>([['.', 'directory']]);
  #locked = false;
  /** Changing operations so far. */
  operations: number = 0;
  /** Dies in the operation of this number. */
  crashAt: number = Number.POSITIVE_INFINITY;
  freeBytes: number = Number.POSITIVE_INFINITY;
  readOnly: boolean = false;
  failSyncs: boolean = false;
  /** While set, a sync ends when this does. */
  stalled: Promise<void> | undefined = undefined;
  /** Every version that ever stood under each name of interest, oldest first. */
  readonly published: Map<string, Buffer[]> = new Map();

  async lock(): Promise<StorageLock> {
    if (this.#locked) throw new ProvenanceError('locked', 'in use');
    this.#locked = true;
    return {
      release: async () => {
        this.#locked = false;
      },
    };
  }

  async locked(): Promise<boolean> {
    return this.#locked;
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    this.#checkAlive();
    const inode = this.#names.get(path);
    return inode === undefined || inode === 'directory' ? undefined : Buffer.from(inode.data);
  }

  async readPart(path: string, start: number, end: number): Promise<Uint8Array | undefined> {
    return (await this.read(path))?.subarray(start, end);
  }

  async list(path: string): Promise<readonly DirectoryEntry[]> {
    this.#checkAlive();
    const entries: DirectoryEntry[] = [];
    for (const [name, inode] of this.#names)
      if (name !== '.' && parentOf(name) === path)
        entries.push({ name: name.slice(name.lastIndexOf('/') + 1), directory: inode === 'directory' });
    return entries;
  }

  async makeDirectory(path: string): Promise<void> {
    if (this.#names.has(path)) return;
    this.#step();
    this.#names.set(path, 'directory');
  }

  async syncDirectory(path: string): Promise<void> {
    this.#step();
    if (this.failSyncs) throw failure('EIO');
    for (const [name, inode] of this.#names) if (parentOf(name) === path) this.#durableNames.set(name, inode);
    for (const name of this.#durableNames.keys())
      if (name !== '.' && parentOf(name) === path && !this.#names.has(name)) this.#durableNames.delete(name);
  }

  async writeFile(path: string, parts: readonly Uint8Array[]): Promise<void> {
    const file = await this.openAppend(path, true);
    if (file.size > 0) await file.truncate(0);
    await file.append(Buffer.concat(parts));
  }

  async openAppend(path: string, synced = false): Promise<AppendFile> {
    const known = this.#names.get(path);
    if (known === 'directory') throw failure('EISDIR');
    if (!known) {
      this.#step();
      if (!this.#names.has(parentOf(path))) throw failure('ENOENT');
      if (this.freeBytes <= 0) throw failure('ENOSPC');
    }
    const inode = known ?? { data: Buffer.alloc(0), synced: Buffer.alloc(0) };
    this.#names.set(path, inode);
    return new SimulatedFile(this, inode, synced);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step();
    const inode = this.#names.get(from);
    if (!inode || inode === 'directory') throw failure('ENOENT');
    this.#names.delete(from);
    this.#names.set(to, inode);
    this.published.set(to, [...(this.published.get(to) ?? []), Buffer.from(inode.data)]);
  }

  async remove(path: string): Promise<void> {
    const gone = [...this.#names.keys()].filter((name) => name === path || name.startsWith(`${path}/`));
    if (gone.length === 0) return;
    this.#step();
    for (const name of gone) {
      const inode = this.#names.get(name);
      if (inode && inode !== 'directory') this.freeBytes += inode.data.length;
      this.#names.delete(name);
    }
  }

  /** For files only. */
  write(inode: Inode, at: number, bytes: Uint8Array): void {
    this.operations += 1;
    const dying = this.operations >= this.crashAt;
    const free = inode.data.length - at + this.freeBytes;
    const room = Math.min(bytes.length, free, dying ? Math.floor(bytes.length / 2) : bytes.length);
    if (!this.readOnly && this.operations <= this.crashAt) {
      const grown = Math.max(0, at + room - inode.data.length);
      inode.data = Buffer.concat([inode.data, Buffer.alloc(grown)]);
      inode.data.set(bytes.subarray(0, room), at);
      this.freeBytes -= grown;
    }
    this.#checkAlive();
    if (this.readOnly) throw failure('EROFS');
    if (room < bytes.length) throw failure('ENOSPC');
  }

  truncate(inode: Inode, size: number): void {
    this.#step();
    this.freeBytes += Math.max(0, inode.data.length - size);
    inode.data = Buffer.concat([
      inode.data.subarray(0, size),
      Buffer.alloc(Math.max(0, size - inode.data.length)),
    ]);
  }

  sync(inode: Inode): void {
    this.#step();
    if (this.failSyncs) throw failure('EIO');
    inode.synced = Buffer.from(inode.data);
  }

  /** The disk as the next process finds it after a `kill -9`. */
  afterKill(): SimulatedDisk {
    const disk = new SimulatedDisk();
    for (const [name, inode] of this.#names) disk.#put(name, inode === 'directory' ? inode : inode.data);
    return disk;
  }

  /** The disk as it comes up after a power cut. */
  afterPowerCut(random: () => number): SimulatedDisk {
    const disk = new SimulatedDisk();
    const names = new Set([...this.#names.keys(), ...this.#durableNames.keys()]);
    for (const name of [...names].sort()) {
      const written = this.#names.get(name);
      const durable = this.#durableNames.get(name);
      const inode = written === durable || random() < 0.5 ? durable : written;
      if (inode === undefined || (name !== '.' && !disk.#names.has(parentOf(name)))) continue;
      disk.#put(name, inode === 'directory' ? inode : contentAfterPowerCut(inode, random));
    }
    return disk;
  }

  /** Overwrites a file behind the log's back. */
  tamper(path: string, change: (bytes: Buffer) => Buffer): void {
    const inode = this.#names.get(path);
    if (!inode || inode === 'directory') throw failure('ENOENT');
    this.#put(path, change(Buffer.from(inode.data)));
  }

  plant(path: string, bytes: Buffer): void {
    for (let parent = parentOf(path); !this.#names.has(parent); parent = parentOf(parent))
      this.#put(parent, 'directory');
    this.#put(path, bytes);
  }

  delete(path: string): void {
    this.#names.delete(path);
  }

  files(): readonly string[] {
    return [...this.#names].filter(([, inode]) => inode !== 'directory').map(([name]) => name);
  }

  #put(name: string, content: Buffer | 'directory'): void {
    const inode =
      content === 'directory' ? content : { data: Buffer.from(content), synced: Buffer.from(content) };
    this.#names.set(name, inode);
    this.#durableNames.set(name, inode);
  }

  #step(): void {
    this.operations += 1;
    this.#checkAlive();
    if (this.readOnly) throw failure('EROFS');
  }

  #checkAlive(): void {
    if (this.operations >= this.crashAt) throw new Crash('the process is gone');
  }
}

class SimulatedFile implements AppendFile {
  readonly #disk: SimulatedDisk;
  readonly #inode: Inode;
  readonly #synced: boolean;

  constructor(disk: SimulatedDisk, inode: Inode, synced: boolean) {
    this.#disk = disk;
    this.#inode = inode;
    this.#synced = synced;
  }

  get size(): number {
    return this.#inode.data.length;
  }

  append(bytes: Uint8Array): Promise<void> {
    return this.write(this.size, bytes);
  }

  async write(at: number, bytes: Uint8Array): Promise<void> {
    this.#disk.write(this.#inode, at, bytes);
    if (this.#synced) await this.sync();
  }

  async truncate(size: number): Promise<void> {
    this.#disk.truncate(this.#inode, size);
  }

  async sync(): Promise<void> {
    await this.#disk.stalled;
    this.#disk.sync(this.#inode);
  }

  async close(): Promise<void> {}
}

function contentAfterPowerCut({ data, synced }: Inode, random: () => number): Buffer {
  if (data.equals(synced)) return synced;
  const grown = data.length > synced.length && data.subarray(0, synced.length).equals(synced);
  if (data.length < synced.length) return random() < 0.5 ? synced : data;
  if (!grown) {
    // Overwritten in place, perhaps beyond its end: any of its sectors may have reached the disk.
    const mixed = Buffer.concat([synced, Buffer.alloc(data.length - synced.length)]);
    for (let at = 0; at < data.length; at += sectorBytes)
      if (random() < 0.5) data.copy(mixed, at, at, at + sectorBytes);
    return random() < 0.5 ? mixed : mixed.subarray(0, synced.length);
  }
  // The size may have reached the disk and the data not: zeros where bytes should be.
  const kept = synced.length + Math.floor(random() * (data.length - synced.length + 1));
  const zeros = random() < 0.3 ? Math.floor(random() * (data.length - kept + 1)) : 0;
  return Buffer.concat([data.subarray(0, kept), Buffer.alloc(zeros)]);
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes of one remembered id. */
export const usedIdBytes = 32;
/** How many ids one generation takes before it is turned over early; two generations are kept. */
const maxIdsPerGeneration = 2_000_000;
const filePrefix = 'used-';

/**
 * Remembers which token ids were used, over restarts too. Two generations, turned over every `windowMs`: an id is
 * known for at least one window, and forgetting costs nothing. Each id is written before it counts as accepted, so
 * a process that is killed has forgotten none; what a power cut takes back is no older than the disk's own delay.
 */
export class SingleUse {
  readonly #directory: string;
  readonly #windowMs: number;
  #current = new Set<string>();
  #previous = new Set<string>();
  #turnAtMs: number;
  #file: number;

  private constructor(directory: string, windowMs: number, nowMs: number) {
    this.#directory = directory;
    this.#windowMs = windowMs;
    this.#turnAtMs = nowMs + windowMs;
    for (const name of generations(directory)) {
      const startMs = Number(name.slice(filePrefix.length));
      // A file that was begun two windows ago holds nothing that could still be fresh.
      if (startMs + 2 * windowMs < nowMs) rmSync(join(directory, name));
      else for (const id of idsIn(join(directory, name))) this.#previous.add(id);
    }
    this.#file = this.#begin(nowMs);
  }

  /** Throws the system's error when the directory cannot be written. */
  static open(directory: string, windowMs: number, nowMs: number): SingleUse {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return new SingleUse(directory, windowMs, nowMs);
  }

  /** True when `id` (32 bytes) is used for the first time. Throws the system's error, and then the id is not used up. */
  use(id: Uint8Array, nowMs: number): boolean {
    const key = Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1');
    if (nowMs >= this.#turnAtMs || this.#current.size >= maxIdsPerGeneration) this.#turn(nowMs);
    if (this.#current.has(key) || this.#previous.has(key)) return false;
    writeSync(this.#file, id);
    this.#current.add(key);
    return true;
  }

  close(): void {
    closeSync(this.#file);
  }

  #turn(nowMs: number): void {
    const ended = generations(this.#directory).slice(0, -1);
    const next = this.#begin(nowMs);
    closeSync(this.#file);
    this.#file = next;
    this.#previous = this.#current;
    this.#current = new Set();
    this.#turnAtMs = nowMs + this.#windowMs;
    for (const name of ended) rmSync(join(this.#directory, name), { force: true });
  }

  #begin(nowMs: number): number {
    return openSync(join(this.#directory, `${filePrefix}${String(nowMs).padStart(15, '0')}`), 'a', 0o600);
  }
}

/** The files of the generations, oldest first. */
function generations(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.startsWith(filePrefix))
    .sort();
}

/** A torn last id was never accepted. */
function* idsIn(path: string): Generator<string> {
  const text = readFileSync(path, 'latin1');
  for (let at = 0; at + usedIdBytes <= text.length; at += usedIdBytes) yield text.slice(at, at + usedIdBytes);
}

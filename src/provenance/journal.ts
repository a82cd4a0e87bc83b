import { ProvenanceError } from './error.ts';
import {
  closeFrame,
  isSegmentName,
  type JournalFrame,
  noDigest,
  type OpenFrame,
  scanSegment,
  segmentName,
} from './journal-frame.ts';
import { type AppendFile, type Storage, temporaryDirectory } from './storage.ts';
import { journalDirectory } from './tile-layout.ts';

export interface JournalOptions {
  readonly storage: Storage;
  readonly segmentBytes: number;
  readonly probeBytes: number;
}

interface Segment {
  readonly path: string;
  /** The position after its last record. */
  end: number;
}

export interface OpenedJournal {
  readonly journal: Journal;
  /** What was left in it, in log order. */
  readonly frames: readonly JournalFrame[];
  /** Bytes of a write that a crash tore apart; nobody was told that they were durable. */
  readonly tornBytes: number;
}

/**
 * The write-ahead log: when `append` returns, its records survive any crash. Segments that the Merkle tree has
 * taken in are removed, so it stays small. Calls are run one after the other.
 */
export class Journal {
  readonly #options: JournalOptions;
  readonly #segments: Segment[];
  #file: AppendFile | undefined;
  /** Bytes of the newest segment that are synced frames; anything behind them is to be cut off. */
  #goodBytes: number;
  #previous: Uint8Array;
  #broken = false;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: JournalOptions, segments: Segment[], goodBytes: number, previous: Uint8Array) {
    this.#options = options;
    this.#segments = segments;
    this.#goodBytes = goodBytes;
    this.#previous = previous;
  }

  /** Throws ProvenanceError `journal-damaged` for anything but a torn last write. */
  static async open(options: JournalOptions): Promise<OpenedJournal> {
    const { storage } = options;
    await storage.makeDirectory(journalDirectory);
    await storage.syncDirectory('.');
    const { frames, segments, goodBytes, tornBytes } = await readJournal(storage);
    const previous = frames.at(-1)?.digest ?? noDigest;
    const journal = new Journal(options, segments, goodBytes, Uint8Array.from(previous));
    if (segments.length > 0) await journal.#reopen();
    return { journal, frames, tornBytes };
  }

  append(frame: OpenFrame): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#broken) throw new ProvenanceError('storage', 'the journal waits for repair');
      const { bytes, records } = frame;
      const digest = closeFrame(frame, this.#previous);
      this.#broken = true;
      const file = await this.#fileFor(records.first);
      await file.append(bytes);
      this.#broken = false;
      this.#goodBytes += bytes.length;
      this.#previous = digest;
      const segment = this.#segments.at(-1);
      if (segment) segment.end = records.end;
    });
  }

  /** Everything before `position` is safe elsewhere: lets go of it. */
  release(position: number): Promise<void> {
    return this.#inTurn(async () => {
      const { storage } = this.#options;
      let removed = false;
      for (;;) {
        const oldest = this.#segments[0];
        if (!oldest || this.#segments.length < 2 || oldest.end > position) break;
        await storage.remove(oldest.path);
        this.#segments.shift();
        removed = true;
      }
      if (removed) await storage.syncDirectory(journalDirectory);
      const newest = this.#segments.at(-1);
      if (!newest || !this.#file || this.#broken || this.#goodBytes === 0 || newest.end > position) return;
      // Set before the cut: if it fails half-way, repair must not bring old bytes back as zeros.
      this.#goodBytes = 0;
      this.#broken = true;
      await this.#file.truncate(0);
      await this.#file.sync();
      this.#broken = false;
    });
  }

  /** After a failed write: cuts off what it left and proves that there is room again. Throws while there is not. */
  repair(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#broken) {
        const file = this.#file;
        this.#file = undefined;
        // The handle may be past use; what counts is what the file holds when it is opened again.
        await file?.close().catch(() => undefined);
        if (this.#segments.length > 0) await this.#reopen();
        this.#broken = false;
      }
      await this.#probe();
    });
  }

  close(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#file?.close();
      this.#file = undefined;
    });
  }

  async #reopen(): Promise<void> {
    const newest = this.#segments.at(-1);
    if (!newest) return;
    const file = await this.#options.storage.openAppend(newest.path, true);
    this.#file = file;
    if (file.size === this.#goodBytes) return;
    await file.truncate(this.#goodBytes);
    await file.sync();
  }

  async #fileFor(position: number): Promise<AppendFile> {
    if (this.#file && this.#goodBytes < this.#options.segmentBytes) return this.#file;
    const path = `${journalDirectory}/${segmentName(position)}`;
    const file = await this.#options.storage.openAppend(path, true);
    await this.#options.storage.syncDirectory(journalDirectory);
    if (file.size > 0) await file.truncate(0);
    await this.#file?.close();
    this.#file = file;
    this.#goodBytes = 0;
    this.#segments.push({ path, end: position });
    return file;
  }

  async #probe(): Promise<void> {
    const { storage, probeBytes } = this.#options;
    const path = `${temporaryDirectory}/probe`;
    await storage.makeDirectory(temporaryDirectory);
    await storage.remove(path);
    const file = await storage.openAppend(path);
    try {
      await file.append(new Uint8Array(probeBytes));
      await file.sync();
    } finally {
      await file.close();
      await storage.remove(path);
    }
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(task, task);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

export interface JournalContents {
  readonly frames: readonly JournalFrame[];
  readonly segments: { readonly path: string; end: number }[];
  readonly goodBytes: number;
  readonly tornBytes: number;
}

/** Reads every segment without changing anything. Throws ProvenanceError `journal-damaged`. */
export async function readJournal(storage: Storage): Promise<JournalContents> {
  const names = (await storage.list(journalDirectory))
    .map(({ name }) => name)
    .filter(isSegmentName)
    .sort();
  const frames: JournalFrame[] = [];
  const segments: { path: string; end: number }[] = [];
  let goodBytes = 0;
  let tornBytes = 0;
  for (const [at, name] of names.entries()) {
    const path = `${journalDirectory}/${name}`;
    const bytes = (await storage.read(path)) ?? new Uint8Array(0);
    const scan = scanSegment(bytes);
    const torn = bytes.length - scan.goodBytes;
    if (scan.damaged || (torn > 0 && at < names.length - 1))
      throw new ProvenanceError('journal-damaged', `${path} is damaged at byte ${scan.goodBytes}`);
    for (const frame of scan.frames) {
      checkFollows(frames.at(-1), frame, path);
      frames.push(frame);
    }
    segments.push({ path, end: frames.at(-1)?.records.end ?? 0 });
    goodBytes = scan.goodBytes;
    tornBytes = torn;
  }
  return { frames, segments, goodBytes, tornBytes };
}

function checkFollows(before: JournalFrame | undefined, frame: JournalFrame, path: string): void {
  if (!before) return;
  if (Buffer.compare(before.digest, frame.previous) !== 0 || before.records.end !== frame.records.first)
    throw new ProvenanceError('journal-damaged', `${path} does not follow the segment before it`);
}

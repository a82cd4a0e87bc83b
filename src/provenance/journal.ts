import { ProvenanceError } from './error.ts';
import {
  closeFrame,
  isSegmentName,
  type JournalFrame,
  noDigest,
  type OpenFrame,
  scanSegment,
  segmentName,
  segmentStart,
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
  readonly torn: TornWrite | undefined;
}

/** Where a crash tore a write apart; nobody was told that it was durable. */
export interface TornWrite {
  readonly path: string;
  readonly at: number;
}

/** The file of a segment that was let go, for the next one. */
export const spareSegment: string = `${journalDirectory}/spare`;

/**
 * The write-ahead log: when `append` returns, its records survive any crash. Segments that the Merkle tree has taken in
 * are let go, so it stays small; the file of one of them becomes the next segment, since to write over blocks that a file
 * has already costs half of what it takes to add some (`bench/provenance.ts`). Calls are run one after the other.
 */
export class Journal {
  readonly #options: JournalOptions;
  readonly #segments: Segment[];
  #file: AppendFile | undefined;
  /** Bytes of the newest segment that are synced frames; anything behind them is to be cut off. */
  #goodBytes: number;
  #previous: Uint8Array;
  #broken = false;
  #spare: boolean;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: JournalOptions, { segments, goodBytes, frames, spare }: JournalContents) {
    this.#options = options;
    this.#segments = [...segments];
    this.#goodBytes = goodBytes;
    this.#previous = Uint8Array.from(frames.at(-1)?.digest ?? noDigest);
    this.#spare = spare;
  }

  /** Throws ProvenanceError `journal-damaged` for anything but a torn last write. */
  static async open(options: JournalOptions): Promise<OpenedJournal> {
    const { storage } = options;
    await storage.makeDirectory(journalDirectory);
    await storage.syncDirectory('.');
    const contents = await readJournal(storage);
    const journal = new Journal(options, contents);
    await journal.#reopen();
    return { journal, frames: contents.frames, torn: contents.torn };
  }

  append(frame: OpenFrame): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#broken) throw new ProvenanceError('storage', 'the journal waits for repair');
      const { bytes, length, records } = frame;
      const digest = closeFrame(frame, this.#previous);
      this.#broken = true;
      const file = await this.#fileFor(records.first);
      await file.write(this.#goodBytes, bytes);
      this.#broken = false;
      this.#goodBytes += length;
      this.#previous = digest;
      const segment = this.#segments.at(-1);
      if (segment) segment.end = records.end;
    });
  }

  /** Everything before `position` is safe elsewhere: lets go of it. */
  release(position: number): Promise<void> {
    return this.#inTurn(async () => {
      const { storage } = this.#options;
      let released = false;
      for (;;) {
        const oldest = this.#segments[0];
        if (!oldest || this.#segments.length < 2 || oldest.end > position) break;
        if (this.#spare) await storage.remove(oldest.path);
        else await storage.rename(oldest.path, spareSegment);
        this.#spare = true;
        this.#segments.shift();
        released = true;
      }
      if (released) await storage.syncDirectory(journalDirectory);
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
        await this.#reopen();
        this.#broken = false;
      }
      await this.#probe();
    });
  }

  /** `released`: everything is safe elsewhere, and nothing is to be left behind. */
  close(released = false): Promise<void> {
    return this.#inTurn(async () => {
      await this.#file?.close();
      this.#file = undefined;
      if (!released) return;
      const { storage } = this.#options;
      if (this.#spare) await storage.remove(spareSegment);
      for (const { path } of this.#segments) await storage.remove(path);
      await storage.syncDirectory(journalDirectory);
    });
  }

  async #reopen(): Promise<void> {
    const newest = this.#segments.at(-1);
    if (!newest) return;
    // A rename or a new name that was not synced could be taken back by a power cut.
    await this.#options.storage.syncDirectory(journalDirectory);
    const file = await this.#options.storage.openAppend(newest.path, true);
    this.#file = file;
    if (file.size === this.#goodBytes) return;
    await file.truncate(this.#goodBytes);
    await file.sync();
  }

  async #fileFor(position: number): Promise<AppendFile> {
    if (this.#file && this.#goodBytes < this.#options.segmentBytes) return this.#file;
    const { storage } = this.#options;
    const path = `${journalDirectory}/${segmentName(position)}`;
    if (this.#spare) await storage.rename(spareSegment, path);
    this.#spare = false;
    const file = await storage.openAppend(path, true);
    await storage.syncDirectory(journalDirectory);
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
  readonly segments: readonly Segment[];
  /** Of the newest one. */
  readonly goodBytes: number;
  readonly torn: TornWrite | undefined;
  readonly spare: boolean;
}

/** Reads every segment without changing anything. Throws ProvenanceError `journal-damaged`. */
export async function readJournal(storage: Storage): Promise<JournalContents> {
  const listed = (await storage.list(journalDirectory)).map(({ name }) => name);
  const names = listed.filter(isSegmentName).sort();
  const frames: JournalFrame[] = [];
  const segments: Segment[] = [];
  let goodBytes = 0;
  let torn: TornWrite | undefined;
  for (const [at, name] of names.entries()) {
    const path = `${journalDirectory}/${name}`;
    const bytes = (await storage.read(path)) ?? new Uint8Array(0);
    const scan = scanSegment(bytes, segmentStart(name));
    if (scan.damaged || (scan.torn && at < names.length - 1))
      throw new ProvenanceError('journal-damaged', `${path} is damaged at byte ${scan.goodBytes}`);
    for (const frame of scan.frames) {
      // Those between were let go, and so were these: a power cut has brought some names back.
      if (frame.records.first > (frames.at(-1)?.records.end ?? 0)) frames.length = 0;
      checkFollows(frames.at(-1), frame, path);
      frames.push(frame);
    }
    segments.push({ path, end: frames.at(-1)?.records.end ?? 0 });
    goodBytes = scan.goodBytes;
    if (scan.torn) torn = { path, at: goodBytes };
  }
  const spare = listed.some((name) => `${journalDirectory}/${name}` === spareSegment);
  return { frames, segments, goodBytes, torn, spare };
}

function checkFollows(before: JournalFrame | undefined, frame: JournalFrame, path: string): void {
  if (!before) return;
  if (Buffer.compare(before.digest, frame.previous) !== 0 || before.records.end !== frame.records.first)
    throw new ProvenanceError('journal-damaged', `${path} does not follow the segment before it`);
}

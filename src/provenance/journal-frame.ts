import { equalBytes } from '../base/index.ts';
import { ByteWriter } from './byte-writer.ts';
import { sha256 } from './digest.ts';
import { ProvenanceError } from './error.ts';
import type { FrameMemory } from './frame-memory.ts';
import { FrameRecords, openingHeadBytes, statementHeadBytes } from './frame-records.ts';
import { hashBytes } from './merkle-tree.ts';
import type { BatchSeal } from './receipt.ts';

/** "TSJ2": what a frame begins with. */
const magic = 0x54534a32;
/** "TSJ1": the frames of builds that sealed each record by itself. */
const formerMagic = 0x54534a31;
/** magic, payload length, position (uint64), count, digest of the frame before. */
const headerBytes = 4 + 4 + 8 + 4 + hashBytes;
const overheadBytes: number = headerBytes + hashBytes;

/** Zeros behind the newest frame, which the next one replaces: what a segment held in its life before comes after. */
const endMark: Uint8Array = new Uint8Array(8);

/** Before the protected header of the seal. */
const sealHeadBytes = 2;
const signatureBytes = 64;

const blankHeader: Uint8Array = new Uint8Array(headerBytes);

/** The digest "before" the first frame of a log. */
export const noDigest: Uint8Array = new Uint8Array(hashBytes);

/** One group commit as it lies in the journal. */
export interface JournalFrame {
  readonly records: FrameRecords;
  readonly previous: Uint8Array;
  readonly digest: Uint8Array;
}

/** A frame that lacks its digest, and in its header that of the frame before. */
export interface OpenFrame {
  /** Together with the mark that ends the segment behind it. */
  readonly bytes: Buffer;
  /** Without that mark. */
  readonly length: number;
  readonly records: FrameRecords;
}

/**
 * Header, records ([uint16 statement length, statement, uint32 opening length, opening] each), seal ([uint16 length,
 * protected header, signature]), SHA-256 of all before. What a receipt says beside its seal follows from the statements.
 */
export class FrameWriter {
  /** Where the records are written. */
  readonly writer: ByteWriter = new ByteWriter();
  /** Where each record begins. */
  readonly #starts: number[] = [];

  constructor() {
    this.clear();
  }

  /** Begins anew, in the same memory. */
  clear(): void {
    this.#starts.length = 0;
    this.writer.reset();
    this.writer.raw(blankHeader);
  }

  /** Returns where the record's statement begins, which is to be written next. */
  beginRecord(): number {
    return this.writer.skip(statementHeadBytes) + statementHeadBytes;
  }

  /** The statement is written; returns where the opening begins. */
  beginOpening(statement: number): number {
    this.writer.uint16At(statement - statementHeadBytes, this.writer.length - statement);
    return this.writer.skip(openingHeadBytes) + openingHeadBytes;
  }

  endRecord(statement: number, opening: number): void {
    this.writer.uint32At(opening - openingHeadBytes, this.writer.length - opening);
    this.#starts.push(statement - statementHeadBytes);
  }

  /** Takes back a record that was begun. */
  undoRecord(statement: number): void {
    this.writer.truncate(statement - statementHeadBytes);
  }

  /** `position` is that of the first record. */
  end(seal: BatchSeal, position: number, memory: FrameMemory): OpenFrame {
    const count = this.#starts.length;
    const starts = Uint32Array.of(...this.#starts, this.writer.length);
    this.writer.uint16(seal.protectedBytes.length);
    this.writer.raw(seal.protectedBytes);
    this.writer.raw(seal.signature);
    const end = this.writer.length;
    this.writer.raw(noDigest);
    const { length } = this.writer;
    this.writer.raw(endMark);
    const bytes = memory.take(this.writer.length, position + count);
    this.writer.copyInto(bytes);
    bytes.writeUInt32BE(magic, 0);
    bytes.writeUInt32BE(end - headerBytes, 4);
    bytes.writeBigUInt64BE(BigInt(position), 8);
    bytes.writeUInt32BE(count, 16);
    return { bytes, length, records: new FrameRecords(bytes, position, starts, seal) };
  }
}

/** Completes a frame and returns its digest. */
export function closeFrame({ bytes, length }: OpenFrame, previous: Uint8Array): Uint8Array {
  const end = length - hashBytes;
  bytes.set(previous, headerBytes - hashBytes);
  const digest = sha256(bytes.subarray(0, end));
  bytes.set(digest, end);
  return digest;
}

export interface JournalScan {
  readonly frames: readonly JournalFrame[];
  /** Bytes of whole frames from the start. */
  readonly goodBytes: number;
  /** What stands behind them was to be a frame. */
  readonly torn: boolean;
  /** Frames that belong here stand behind bytes that are none: not a torn write, but damage. */
  readonly damaged: boolean;
}

/**
 * Reads the frames of one segment, whose records have the positions from `first` on: those before are left from another
 * segment whose file this was. A frame is synced before the next one is written, so at most the last write
 * can be torn; anything else is damage that nobody may guess around. Throws ProvenanceError `journal-damaged` for what an
 * earlier build has written: to take it for torn would lose it.
 */
export function scanSegment(segment: Uint8Array, first: number): JournalScan {
  const bytes = Buffer.from(segment.buffer, segment.byteOffset, segment.byteLength);
  if (bytes.length >= 4 && bytes.readUInt32BE(0) === formerMagic)
    throw new ProvenanceError(
      'journal-damaged',
      'an earlier build wrote this log: keep it with that build, and begin a new one in another dataDir',
    );
  const frames: JournalFrame[] = [];
  let at = 0;
  let next = first;
  let previous: Uint8Array | undefined;
  for (;;) {
    const read = readFrame(bytes, at);
    if (!read || read.frame.records.first < next) break;
    if (previous && !(read.frame.records.first === next && equalBytes(previous, read.frame.previous))) break;
    frames.push(read.frame);
    next = read.frame.records.end;
    previous = read.frame.digest;
    at = read.end;
  }
  return { frames, goodBytes: at, torn: !endsAt(bytes, at, first), damaged: frameFollows(bytes, at, next) };
}

/** Whether nothing was begun there: at the end, before its mark, or where the file begins with what it held before. */
function endsAt(bytes: Buffer, at: number, first: number): boolean {
  if (bytes.subarray(at, at + endMark.length).every((byte) => byte === 0)) return true;
  return at === 0 && (readFrame(bytes, 0)?.frame.records.first ?? first) < first;
}

function readFrame(
  bytes: Buffer,
  start: number,
): { readonly frame: JournalFrame; readonly end: number } | undefined {
  if (start + overheadBytes > bytes.length || bytes.readUInt32BE(start) !== magic) return undefined;
  const digestAt = start + headerBytes + bytes.readUInt32BE(start + 4);
  const end = digestAt + hashBytes;
  if (end > bytes.length) return undefined;
  const digest = bytes.subarray(digestAt, end);
  if (!digest.equals(sha256(bytes.subarray(start, digestAt)))) return undefined;
  const starts = startsIn(bytes, start);
  const signatureAt = digestAt - signatureBytes;
  const protectedAt = (starts.at(-1) ?? 0) + sealHeadBytes;
  if (
    protectedAt > signatureAt ||
    bytes.readUInt16BE(protectedAt - sealHeadBytes) !== signatureAt - protectedAt
  )
    throw new ProvenanceError('journal-damaged', 'a journal frame contradicts its own length');
  const records = new FrameRecords(bytes, firstIn(bytes, start), starts, {
    protectedBytes: bytes.subarray(protectedAt, signatureAt),
    signature: bytes.subarray(signatureAt, digestAt),
  });
  return { frame: { records, previous: bytes.subarray(start + 20, start + 20 + hashBytes), digest }, end };
}

/** Where the records of the frame at `start` begin, and where the last one ends. */
function startsIn(bytes: Buffer, start: number): Uint32Array {
  const starts = new Uint32Array(bytes.readUInt32BE(start + 16) + 1);
  let at = start + headerBytes;
  for (let i = 0; i < starts.length; i++) {
    starts[i] = at;
    if (i === starts.length - 1) break;
    at += statementHeadBytes + bytes.readUInt16BE(at);
    at += openingHeadBytes + bytes.readUInt32BE(at);
  }
  return starts;
}

/** Whether a whole frame stands anywhere from `from` on whose records have the position `next`, or come after it. */
function frameFollows(bytes: Buffer, from: number, next: number): boolean {
  const mark = Buffer.allocUnsafe(4);
  mark.writeUInt32BE(magic);
  for (let at = bytes.indexOf(mark, from); at >= 0; at = bytes.indexOf(mark, at + 1))
    if (at + headerBytes <= bytes.length && firstIn(bytes, at) >= next && readFrame(bytes, at)) return true;
  return false;
}

/** The position of the first record of the frame at `start`. */
function firstIn(bytes: Buffer, start: number): number {
  return Number(bytes.readBigUInt64BE(start + 8));
}

/** Segment names sort in log order: the position of their first record. */
export function segmentName(position: number): string {
  return `${String(position).padStart(16, '0')}.journal`;
}

/** The position of a segment's first record. */
export function segmentStart(name: string): number {
  return Number(name.slice(0, 16));
}

export function isSegmentName(name: string): boolean {
  return name.length === 24 && name.endsWith('.journal') && Number.isSafeInteger(segmentStart(name));
}

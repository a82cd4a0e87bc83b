import { type CborValue, encodeCbor, type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import { peekCheckpoint } from './checkpoint.ts';
import { decodeEntry } from './entry.ts';
import { ProvenanceError } from './error.ts';
import { type HeadSource, headField, proveHead } from './head-proof.ts';
import type { LogReader } from './log-reader.ts';
import { inclusionPath, type RangeHash } from './merkle-tree.ts';
import { findByIdPrefix, queryRecords } from './query.ts';
import type { StoredRecord } from './record.ts';
import { redactedSlot, redactionEvent } from './redaction.ts';
import { decodeStatement } from './statement.ts';
import { formatTlogProof } from './tlog-proof.ts';

/** What a proof file is to show: one record, a whole call, or the records of an identity. */
export type ProofSubject =
  | { readonly record: string }
  | { readonly call: string }
  | { readonly identity: Fingerprint; readonly sinceMs?: number; readonly untilMs?: number };

export interface ProofOptions {
  /** Whether the proof carries the records' layers (default), or commitments only. */
  readonly discloseLayers?: boolean;
  /** With an identity: also that its newest record, at the moment of some record of the log, is among them. */
  readonly committedHead?: boolean;
}

export interface ProofSource extends HeadSource {
  readonly reader: LogReader;
  /** Signed notes, the one to be preferred first; the first that covers all records is taken. */
  readonly checkpoints: readonly string[];
}

/** A witnessed checkpoint proves more, the newest one covers more. */
export function preferred(witnessed: string | undefined, newest: string): readonly string[] {
  return witnessed === undefined ? [newest] : [witnessed, newest];
}

/** A file is read into memory as a whole by whoever checks it. */
export const maxProvedRecords = 10_000;

/** Fields of the proof's extra data, a deterministic CBOR map: docs/audit-format.md, "Proof file". */
const field = {
  entry: 1,
  opening: 2,
  nodeEntry: 3,
  nodeIndex: 4,
  nodePath: 5,
  others: 6,
  otherNodes: 7,
  claim: 8,
  head: 9,
} as const;

/**
 * One C2SP tlog-proof: of the first record that it shows, with all others under the same checkpoint in its extra data,
 * and the entries that published the keys of the nodes that logged them. Throws `record-unknown`, `record-ambiguous`,
 * `record-pending`, `too-large` or `head-unproved`.
 */
export async function proveRecords(
  source: ProofSource,
  subject: ProofSubject,
  options: ProofOptions = {},
): Promise<string> {
  if ('record' in subject) readAhead(source, subject.record);
  const records = await recordsOf(source, subject);
  const [first] = records;
  if (!first) throw new ProvenanceError('record-unknown', 'the log has no such record');
  let checkpoint = covering(source, records);
  const head =
    options.committedHead === true && 'identity' in subject
      ? await proveHead(source, subject.identity, sizeOf(source.checkpoints.at(-1) ?? checkpoint))
      : undefined;
  if (head) checkpoint = covering(source, [...records, head.commitment]);
  const size = sizeOf(checkpoint);
  const builder = new ProofBuilder(source, size, options.discloseLayers !== false);
  const [main, ...others] = await builder.records(records);
  const shown = new Set(records.map(({ position }) => position));
  const redactions = (await redactionsOf(source, builder.erasedSlots)).filter(
    ({ position }) => position < size && !shown.has(position),
  );
  const beside = head ? [...redactions, head.commitment] : redactions;
  others.push(...(await builder.records(beside)));
  const [node, ...otherNodes] = await builder.nodes([...records, ...beside]);
  if (!main || !node) throw new ProvenanceError('record-unknown', 'the log has no such record');
  const claim = options.discloseLayers === false ? undefined : claimOf(subject, first);
  const extra = new Map<number, CborValue>([
    [field.entry, main.entry],
    [field.nodeEntry, node.entry],
    [field.nodeIndex, node.index],
    [field.nodePath, node.path],
  ]);
  if (main.opening) extra.set(field.opening, main.opening);
  if (others.length > 0)
    extra.set(
      field.others,
      others.map(({ index, path, entry, opening }) => [index, path, entry, opening ?? null]),
    );
  if (otherNodes.length > 0)
    extra.set(
      field.otherNodes,
      otherNodes.map(({ index, path, entry }) => [index, path, entry]),
    );
  if (claim) extra.set(field.claim, claim);
  if (head) extra.set(field.head, headField(head));
  return formatTlogProof({ extra: encodeCbor(extra), index: main.index, path: main.path, checkpoint });
}

/** The tree's tiles come from the disk while the record does, not after it. */
function readAhead({ index, reader, checkpoints }: ProofSource, record: string): void {
  const [position] = index?.withIdPrefix(record, 1) ?? [];
  const size = checkpoints[0] === undefined ? 0 : sizeOf(checkpoints[0]);
  if (position === undefined || position >= size) return;
  // Whoever builds the proof hears of what cannot be read.
  inclusionPath(position, size, reader.rangeHash(size)).catch(() => undefined);
}

async function recordsOf(source: ProofSource, subject: ProofSubject): Promise<readonly StoredRecord[]> {
  if ('record' in subject) {
    const found = await findByIdPrefix(source, subject.record);
    if (found.length > 1) throw new ProvenanceError('record-ambiguous', 'more than one record begins so');
    return found;
  }
  const query = 'call' in subject ? { callId: subject.call } : { ...subject, identity: subject.identity };
  const records: StoredRecord[] = [];
  for await (const record of queryRecords(source, query)) {
    // A SIP Call-ID is the phone's choice and may name several calls of the gateway: the first one is meant.
    if ('call' in subject && records[0]?.call && record.call?.id !== records[0].call.id) continue;
    if (records.length === maxProvedRecords)
      throw new ProvenanceError(
        'too-large',
        `a proof holds at most ${maxProvedRecords} records: narrow it down`,
      );
    records.push(record);
  }
  return records;
}

/** The records that say that the parties behind these keys were erased. */
async function redactionsOf(
  source: ProofSource,
  slots: ReadonlySet<number>,
): Promise<readonly StoredRecord[]> {
  const found: StoredRecord[] = [];
  if (slots.size === 0) return found;
  for await (const record of queryRecords(source, { event: redactionEvent })) {
    const slot = redactedSlot(record.event, record.erin);
    if (slot !== undefined && slots.has(slot)) found.push(record);
  }
  return found;
}

/** What the file says that it holds completely; one that does not say what its records say can show nothing of it. */
function claimOf(subject: ProofSubject, first: StoredRecord): CborValue | undefined {
  if ('call' in subject) return first.call ? ['call', first.call.id] : undefined;
  return 'identity' in subject ? ['identity', fingerprintBytes(subject.identity)] : undefined;
}

function sizeOf(checkpoint: string): number {
  return peekCheckpoint(checkpoint).size;
}

function covering({ checkpoints }: ProofSource, records: readonly StoredRecord[]): string {
  const last = Math.max(...records.map(({ position }) => position));
  const checkpoint = checkpoints.find((note) => sizeOf(note) > last);
  if (checkpoint === undefined)
    throw new ProvenanceError('record-pending', 'the record is durable, but no checkpoint covers it yet');
  return checkpoint;
}

interface Placed {
  readonly index: number;
  readonly path: readonly Uint8Array[];
  readonly entry: Uint8Array;
  readonly opening?: Uint8Array;
}

class ProofBuilder {
  readonly #source: ProofSource;
  readonly #size: number;
  readonly #disclose: boolean;
  readonly #hashOf: RangeHash;
  /** Keys of parties that the records no longer open. */
  readonly erasedSlots: Set<number> = new Set();

  constructor(source: ProofSource, size: number, disclose: boolean) {
    this.#source = source;
    this.#size = size;
    this.#disclose = disclose;
    this.#hashOf = source.reader.rangeHash(size);
  }

  async records(records: readonly StoredRecord[]): Promise<readonly Placed[]> {
    const placed: Placed[] = [];
    for (const { position, redacted } of records) {
      const [{ entry, opening, slots }, path] = await Promise.all([
        this.#source.reader.opened(position, this.#size, this.#source.keys),
        this.#path(position),
      ]);
      for (const [at, slot] of slots.entries())
        if (redacted.includes(`party ${at}`)) this.erasedSlots.add(slot);
      placed.push({ index: position, entry, path, ...(this.#disclose && { opening }) });
    }
    return placed;
  }

  /** The opening entry of each node among the records. */
  async nodes(records: readonly StoredRecord[]): Promise<readonly Placed[]> {
    const placed = new Map<Fingerprint, Placed>();
    for (const record of records) {
      if (placed.has(record.node)) continue;
      const index = await this.#nodePosition(record);
      const [{ entry }, path] = await Promise.all([
        this.#source.reader.raw(index, this.#size),
        this.#path(index),
      ]);
      placed.set(record.node, { index, entry, path });
    }
    return [...placed.values()];
  }

  #path(index: number): Promise<readonly Uint8Array[]> {
    return inclusionPath(index, this.#size, this.#hashOf);
  }

  /** Without an index, the run's first record is searched backwards. */
  async #nodePosition(record: StoredRecord): Promise<number> {
    const { index, reader } = this.#source;
    const known = index?.nodePosition(record.node);
    if (known !== undefined && known < this.#size) return known;
    const node = fingerprintBytes(record.node);
    for (let at = record.position; at >= 0; at--) {
      const { statement } = decodeEntry((await reader.raw(at, this.#size)).entry);
      const opened = decodeStatement(statement);
      if (opened.nodeKey && Buffer.compare(opened.node, node) === 0) return at;
    }
    throw new ProvenanceError('record-malformed', 'the log has no key for the node that logged this record');
  }
}

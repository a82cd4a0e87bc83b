import { type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import { type ByteWriter, cborMajor } from './byte-writer.ts';
import { layerNames, saltBytes } from './commitment.ts';
import { writeOpeningHead, writeOpeningItemHead, writeOpeningPartyCount } from './entry.ts';
import { ProvenanceError } from './error.ts';
import type { FrameWriter } from './journal-frame.ts';
import { LayerFields, LayerPart } from './layer.ts';
import type { PendingParty } from './ledger.ts';
import { hashBytes } from './merkle-tree.ts';
import { leaveRoomForWrap, sharedLayers, writeSealedEnd, writeSealedHead } from './opening-seal.ts';
import type { PendingRecord } from './pending-record.ts';
import { type DraftParty, idLength, type OwnedFields, type RecordDraft, type RecordId } from './record.ts';
import { columnsOf, itemOf, partyPlace, place, type RecordPlaces } from './record-places.ts';
import {
  leaveRoomForCommitments,
  writePartyCount,
  writeStatementHead,
  writeStatementTail,
} from './statement.ts';

/** What the log adds to a draft. */
export interface RecordContext {
  /** Parents as they stand in the log: without any that never became durable. */
  readonly parents: readonly RecordId[];
  /** In the record that opens a node's run. */
  readonly nodeKey?: Uint8Array;
  readonly nodeToken?: Uint8Array | undefined;
}

export interface RecordWriterOptions {
  readonly nodeFingerprint: Fingerprint;
  readonly maxRecordBytes: number;
  /** SHA-256 of the software that logs, in hex; every record names it. */
  readonly softwareHash?: string | undefined;
}

/** Stands for an id that is not known yet. */
const blankId = new Uint8Array(hashBytes);
const blankIdText: RecordId = 'a'.repeat(idLength);

/** Bytes of the heads of byte strings, as most of them are long. */
const usualHead = { layer: 2, erachter: 2, shared: 3, party: 3 } as const;

/**
 * Writes drafts into the frame of their batch, where they are going to lie. What takes hashing, and ids that other records
 * do not have yet, are left blank (`RecordSealer`): this runs on the call path.
 */
export class RecordWriter {
  readonly #options: RecordWriterOptions;
  readonly #node: Uint8Array;
  readonly #fields = new LayerFields();
  readonly #ownErin = new LayerPart();
  readonly #ownEromheen = new LayerPart();
  /** The time of the newest record and how it is written: many come within a millisecond. */
  #time = { ms: Number.NaN, text: '' };

  constructor(options: RecordWriterOptions) {
    this.#options = options;
    this.#node = fingerprintBytes(options.nodeFingerprint);
  }

  /**
   * Appends a record to the frame; returns where its places begin. Throws ProvenanceError `erachter-empty`,
   * `layer-invalid` or `too-large`, leaving the frame as it was.
   */
  write(
    frame: FrameWriter,
    places: RecordPlaces,
    record: PendingRecord,
    draft: RecordDraft,
    context: RecordContext,
  ): number {
    if (draft.erachter.trim() === '')
      throw new ProvenanceError('erachter-empty', 'a record needs a declared intent (ERACHTER)');
    const at = places.begin(record.facts.parties.length);
    const statement = frame.beginRecord();
    places.set(at, place.statement, statement);
    try {
      this.#writeStatement(frame.writer, places, at, record, context);
      const opening = frame.beginOpening(statement);
      places.set(at, place.opening, opening);
      this.#writeOpening(frame.writer, places, at, record, draft, context);
      const { length } = frame.writer;
      places.set(at, place.end, length);
      if (length - opening > this.#options.maxRecordBytes)
        throw new ProvenanceError('too-large', `a record of ${length - opening} bytes is over the limit`);
      frame.endRecord(statement, opening);
    } catch (error) {
      places.undo(at);
      frame.undoRecord(statement);
      throw error;
    }
    return at;
  }

  #writeStatement(
    writer: ByteWriter,
    places: RecordPlaces,
    at: number,
    { facts }: PendingRecord,
    { nodeKey, nodeToken }: RecordContext,
  ): void {
    const head = { node: this.#node, nodeKey, nodeToken };
    writeStatementHead(writer, head);
    places.set(at, place.layers, leaveRoomForCommitments(writer, layerNames.length));
    writePartyCount(writer, facts.parties.length);
    places.set(at, place.partyLayers, leaveRoomForCommitments(writer, facts.parties.length));
    writeStatementTail(writer, head);
  }

  /** In the order of `sealed-opening` (docs/audit-format.md), nothing of it masked; that of a record about nobody plain. */
  #writeOpening(
    writer: ByteWriter,
    places: RecordPlaces,
    at: number,
    record: PendingRecord,
    draft: RecordDraft,
    context: RecordContext,
  ): void {
    const { parties } = record.facts;
    if (parties.length === 0) {
      writeOpeningHead(writer);
      this.#writeShared(writer, places, at, record, draft, context);
      this.#writeErachter(writer, places, at, draft);
      writeOpeningPartyCount(writer, 0);
      return;
    }
    writeSealedHead(writer, parties.length);
    let number = 0;
    for (const { slot } of parties)
      places.set(at, columnsOf(number++) + partyPlace.wrap, leaveRoomForWrap(writer, slot));
    const shared = writer.beginByteString(usualHead.shared);
    this.#writeShared(writer, places, at, record, draft, context);
    const moved = writer.endByteString(shared, usualHead.shared);
    if (moved !== 0) places.move(at, place.previous, itemOf(sharedLayers), moved);
    const erachter = writer.beginByteString(usualHead.erachter);
    this.#writeErachter(writer, places, at, draft);
    const shift = writer.endByteString(erachter, usualHead.erachter);
    if (shift !== 0) places.move(at, itemOf(sharedLayers), place.parties, shift);
    writeOpeningPartyCount(writer, parties.length);
    number = 0;
    for (const party of parties) {
      this.#writeParty(writer, places, at, number, party, draft);
      number++;
    }
    writeSealedEnd(writer);
  }

  /** ERIN, ERAAN and EROMHEEN. */
  #writeShared(
    writer: ByteWriter,
    places: RecordPlaces,
    at: number,
    { facts, previous }: PendingRecord,
    draft: RecordDraft,
    { parents }: RecordContext,
  ): void {
    this.#gatherErin(draft);
    this.#writeItem(writer, places, at, itemOf(0));
    this.#gatherEraan(draft, parents, previous);
    const end = this.#writeItem(writer, places, at, itemOf(1), 'previous');
    places.set(at, place.previous, previous ? end - idLength : 0);
    this.#gatherEromheen(draft, facts.timeMs);
    this.#writeItem(writer, places, at, itemOf(2));
  }

  #writeErachter(writer: ByteWriter, places: RecordPlaces, at: number, draft: RecordDraft): void {
    this.#fields.reset();
    this.#fields.put('intent', draft.erachter);
    this.#fields.put('signed', draft.signed);
    this.#writeItem(writer, places, at, itemOf(sharedLayers));
  }

  #writeParty(
    writer: ByteWriter,
    places: RecordPlaces,
    at: number,
    number: number,
    party: PendingParty,
    draft: RecordDraft,
  ): void {
    const columns = columnsOf(number);
    const start = writer.beginByteString(usualHead.party);
    this.#gatherParty(party, draft.parties[number], draft);
    const end = this.#writeItem(writer, places, at, columns, 'prev');
    places.set(at, columns + partyPlace.prev, party.prev ? end - hashBytes : 0);
    const moved = writer.endByteString(start, usualHead.party);
    if (moved !== 0) places.move(at, columns, columns + partyPlace.wrap, moved);
  }

  /**
   * Writes [salt, encoding] of the fields that were gathered, the salt blank, and notes in two columns where it begins and
   * ends; returns where the field of the name ends.
   */
  #writeItem(writer: ByteWriter, places: RecordPlaces, at: number, column: number, name = ''): number {
    places.set(at, column, writer.length);
    writeOpeningItemHead(writer);
    writer.head(cborMajor.bytes, saltBytes);
    writer.skip(saltBytes);
    const start = writer.beginByteString(usualHead.layer);
    const end = this.#fields.write(writer, name);
    const moved = writer.endByteString(start, usualHead.layer);
    places.set(at, column + 1, writer.length);
    return end + moved;
  }

  #gatherErin({ erin, call, parties }: RecordDraft): void {
    const fields = this.#fields;
    fields.reset();
    leaveOutOwned(fields, parties, 'erin');
    if (call) {
      fields.put('call', call.id);
      fields.put('phase', call.phase);
    }
    fields.putAll(erin);
  }

  #gatherEraan({ eraan }: RecordDraft, parents: readonly RecordId[], previous: Uint8Array | undefined): void {
    const fields = this.#fields;
    fields.reset();
    fields.put('parents', parents);
    fields.put('previous', previous && blankIdText);
    fields.putAll(eraan);
  }

  #gatherEromheen({ eromheen, parties }: RecordDraft, timeMs: number): void {
    const fields = this.#fields;
    fields.reset();
    if (timeMs !== this.#time.ms) this.#time = { ms: timeMs, text: new Date(timeMs).toISOString() };
    fields.put('softwareHash', this.#options.softwareHash);
    fields.put('node', this.#options.nodeFingerprint);
    fields.put('time', this.#time.text);
    leaveOutOwned(fields, parties, 'eromheen');
    fields.putAll(eromheen);
  }

  #gatherParty(party: PendingParty, owner: DraftParty | undefined, draft: RecordDraft): void {
    const fields = this.#fields;
    fields.reset();
    fields.put('fingerprint', party.bytes);
    fields.put('role', party.role);
    fields.put('seq', party.seq);
    fields.put('prev', party.prev ? blankId : null);
    fields.put('details', party.details);
    fields.put('erin', this.#ownErin.of(draft.erin, owner?.owns?.erin));
    fields.put('eromheen', this.#ownEromheen.of(draft.eromheen, owner?.owns?.eromheen));
  }
}

/** What is one party's own does not belong into a layer that all share. */
function leaveOutOwned(fields: LayerFields, parties: readonly DraftParty[], layer: keyof OwnedFields): void {
  for (const { owns } of parties) for (const name of owns?.[layer] ?? []) fields.put(name, undefined);
}

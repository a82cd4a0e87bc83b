import { type Clock, encodeBase32, type Random } from '../base/index.ts';
import { type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import { ByteWriter, cborMajor } from './byte-writer.ts';
import { partyLayerName, saltBytes, writeCommitmentHead } from './commitment.ts';
import { DigestSlab } from './digest.ts';
import { writeOpeningHead, writeOpeningItemHead, writeOpeningPartyCount } from './entry.ts';
import { ProvenanceError } from './error.ts';
import { type Layer, LayerFields } from './layer.ts';
import type { Head } from './ledger.ts';
import { leafPrefix } from './merkle-tree.ts';
import type { OpeningItems } from './opening-seal.ts';
import type { DraftParty, OwnedFields, RecordDraft, RecordId } from './record.ts';
import { writeCommitment, writePartyCount, writeStatementHead, writeStatementTail } from './statement.ts';

/** What the log adds to a draft. */
export interface RecordContext {
  /** The newest record of each party's identity, in the draft's order. */
  readonly heads: readonly (Head | undefined)[];
  /** The call's newest record. */
  readonly previousOfCall: RecordId | undefined;
  /** Parents as they stand in the log: without any that never became durable. */
  readonly parents: readonly RecordId[];
  readonly nodeKey?: Uint8Array;
  readonly nodeToken?: Uint8Array;
}

/** A record whose id is known and which is not durable yet; its bytes are there until the next one is built. */
export interface BuiltRecord {
  readonly id: RecordId;
  readonly idBytes: Uint8Array;
  readonly timeMs: number;
  /** Behind the prefix that it is hashed with. */
  readonly statement: ByteWriter;
  readonly opening: OpeningItems & { readonly writer: ByteWriter };
}

/** Where the statement begins in its writer. */
export const statementStart = 1;

export interface RecordBuilderOptions {
  readonly nodeFingerprint: Fingerprint;
  readonly clock: Clock;
  readonly random: Random;
  readonly maxRecordBytes: number;
  /** SHA-256 of the software that logs, in hex; every record names it. */
  readonly softwareHash?: string | undefined;
}

const maxRememberedFingerprints = 10_000;

/**
 * Turns drafts into statements and openings. Everything here runs on the call path: each layer is encoded once, in
 * memory that the next one uses again, and hashed there.
 */
export class RecordBuilder {
  readonly #options: RecordBuilderOptions;
  readonly #node: Uint8Array;
  readonly #fields = new LayerFields();
  readonly #committed = new ByteWriter();
  readonly #opening = new ByteWriter();
  readonly #statement = new ByteWriter();
  readonly #ids = new DigestSlab();
  /** Fingerprints decoded lately: the same identities call again and again. */
  readonly #fingerprints = new Map<Fingerprint, Uint8Array>();
  /** The time of the newest record and how it is written: many come within a millisecond. */
  #time = { ms: Number.NaN, text: '' };

  constructor(options: RecordBuilderOptions) {
    this.#options = options;
    this.#node = fingerprintBytes(options.nodeFingerprint);
  }

  /** Throws ProvenanceError `erachter-empty`, `layer-invalid` or `too-large`. */
  build(draft: RecordDraft, context: RecordContext): BuiltRecord {
    if (draft.erachter.trim() === '')
      throw new ProvenanceError('erachter-empty', 'a record needs a declared intent (ERACHTER)');
    const timeMs = this.#options.clock.now();
    const head = { node: this.#node, nodeKey: context.nodeKey, nodeToken: context.nodeToken };
    const opening = this.#opening;
    const statement = this.#statement;
    opening.reset();
    statement.reset();
    statement.uint8(leafPrefix);
    writeOpeningHead(opening);
    writeStatementHead(statement, head);
    const starts: number[] = [];
    this.#gatherErin(draft);
    this.#commit(starts, 'erin');
    this.#gatherEraan(draft, context);
    this.#commit(starts, 'eraan');
    this.#gatherEromheen(draft, timeMs);
    this.#commit(starts, 'eromheen');
    this.#fields.reset();
    this.#fields.put('intent', draft.erachter);
    this.#commit(starts, 'erachter');
    const layersEnd = opening.length;
    writeOpeningPartyCount(opening, draft.parties.length);
    writePartyCount(statement, draft.parties.length);
    let at = 0;
    for (const party of draft.parties) {
      this.#gatherParty(party, draft, context.heads[at++]);
      this.#commit(starts, partyLayerName);
    }
    writeStatementTail(statement, head);
    if (opening.length > this.#options.maxRecordBytes)
      throw new ProvenanceError('too-large', `a record of ${opening.length} bytes is over the limit`);
    const idBytes = this.#ids.keep(statement.digest());
    return {
      id: encodeBase32(idBytes),
      idBytes,
      timeMs,
      statement,
      opening: { writer: opening, starts, layersEnd },
    };
  }

  /** Opens and commits to the fields that were gathered. */
  #commit(starts: number[], layerName: string): void {
    const committed = this.#committed;
    const opening = this.#opening;
    committed.reset();
    writeCommitmentHead(committed, layerName);
    const opened = committed.length;
    committed.head(cborMajor.bytes, saltBytes);
    committed.random(this.#options.random, saltBytes);
    const encoding = committed.beginByteString();
    this.#fields.write(committed);
    committed.endByteString(encoding);
    starts.push(opening.length);
    writeOpeningItemHead(opening);
    opening.from(committed, opened);
    writeCommitment(this.#statement, committed.digest());
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

  #gatherEraan({ eraan }: RecordDraft, { parents, previousOfCall }: RecordContext): void {
    const fields = this.#fields;
    fields.reset();
    fields.put('parents', parents);
    fields.put('previous', previousOfCall);
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

  #gatherParty(party: DraftParty, draft: RecordDraft, head: Head | undefined): void {
    const fields = this.#fields;
    fields.reset();
    fields.put('fingerprint', this.#fingerprint(party.fingerprint));
    fields.put('role', party.role);
    fields.put('seq', (head?.seq ?? 0) + 1);
    fields.put('prev', head?.id ?? null);
    fields.put('details', party.details);
    fields.put('erin', ownedFields(draft.erin, party.owns?.erin));
    fields.put('eromheen', ownedFields(draft.eromheen, party.owns?.eromheen));
  }

  #fingerprint(text: Fingerprint): Uint8Array {
    let bytes = this.#fingerprints.get(text);
    if (!bytes) {
      bytes = fingerprintBytes(text);
      if (this.#fingerprints.size >= maxRememberedFingerprints) this.#fingerprints.clear();
      this.#fingerprints.set(text, bytes);
    }
    return bytes;
  }
}

/** What of a layer is one party's own; undefined when that is nothing. */
function ownedFields(layer: Layer, names: readonly string[] | undefined): Layer | undefined {
  if (names === undefined) return undefined;
  const owned: Record<string, unknown> = {};
  let any = false;
  for (const name of names) {
    if (layer[name] === undefined) continue;
    owned[name] = layer[name];
    any = true;
  }
  return any ? owned : undefined;
}

/** What is one party's own does not belong into a layer that all share. */
function leaveOutOwned(fields: LayerFields, parties: readonly DraftParty[], layer: keyof OwnedFields): void {
  for (const { owns } of parties) for (const name of owns?.[layer] ?? []) fields.put(name, undefined);
}

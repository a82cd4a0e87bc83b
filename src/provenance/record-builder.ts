import { type Clock, encodeBase32, type Random } from '../base/index.ts';
import { type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import { ByteWriter } from './byte-writer.ts';
import { commitmentTo, partyLayerName, saltBytes } from './commitment.ts';
import { writeOpeningHead, writeOpeningItemHead, writeOpeningPartyCount } from './entry.ts';
import { ProvenanceError } from './error.ts';
import { type Layer, writeLayer } from './layer.ts';
import type { Head } from './ledger.ts';
import { leafHash } from './merkle-tree.ts';
import type { PlainOpening } from './opening-seal.ts';
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

/** A record whose id is known and which is not durable yet. */
export interface BuiltRecord {
  readonly id: RecordId;
  readonly idBytes: Uint8Array;
  readonly timeMs: number;
  readonly statement: Uint8Array;
  readonly opening: PlainOpening;
}

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
 * Turns drafts into statements and openings. Everything here runs on the call path: each layer is encoded once,
 * into the opening, and hashed from there.
 */
export class RecordBuilder {
  readonly #options: RecordBuilderOptions;
  readonly #node: Uint8Array;
  readonly #layer = new ByteWriter();
  readonly #opening = new ByteWriter();
  readonly #statement = new ByteWriter();
  readonly #scratch = new ByteWriter();
  /** Fingerprints decoded lately: the same identities call again and again. */
  readonly #fingerprints = new Map<Fingerprint, Uint8Array>();

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
    writeOpeningHead(opening);
    writeStatementHead(statement, head);
    const starts: number[] = [];
    this.#commit(starts, 'erin', withoutOwned(erinOf(draft), draft.parties, 'erin'));
    this.#commit(starts, 'eraan', eraanOf(draft, context));
    this.#commit(starts, 'eromheen', {
      ...withoutOwned(draft.eromheen, draft.parties, 'eromheen'),
      softwareHash: this.#options.softwareHash,
      node: this.#options.nodeFingerprint,
      time: new Date(timeMs).toISOString(),
    });
    this.#commit(starts, 'erachter', { intent: draft.erachter });
    const layersEnd = opening.length;
    writeOpeningPartyCount(opening, draft.parties.length);
    writePartyCount(statement, draft.parties.length);
    for (const [at, party] of draft.parties.entries())
      this.#commit(starts, partyLayerName, this.#partyLayer(party, draft, context.heads[at]));
    writeStatementTail(statement, head);
    if (opening.length > this.#options.maxRecordBytes)
      throw new ProvenanceError('too-large', `a record of ${opening.length} bytes is over the limit`);
    const idBytes = leafHash(statement.view());
    return {
      id: encodeBase32(idBytes),
      idBytes,
      timeMs,
      statement: statement.copy(),
      opening: { bytes: opening.copy(), starts, layersEnd },
    };
  }

  #commit(starts: number[], layerName: string, layer: Layer): void {
    this.#layer.reset();
    writeLayer(this.#layer, layer);
    starts.push(this.#opening.length);
    writeOpeningItemHead(this.#opening);
    const start = this.#opening.length;
    this.#opening.byteString(this.#options.random.bytes(saltBytes));
    this.#opening.byteString(this.#layer.view());
    writeCommitment(this.#statement, commitmentTo(this.#scratch, layerName, this.#opening.view(start)));
  }

  #partyLayer(party: DraftParty, draft: RecordDraft, head: Head | undefined): Layer {
    return {
      fingerprint: this.#fingerprint(party.fingerprint),
      role: party.role,
      seq: (head?.seq ?? 0) + 1,
      prev: head?.id ?? null,
      details: party.details,
      erin: ownedFields(draft.erin, party.owns?.erin),
      eromheen: ownedFields(draft.eromheen, party.owns?.eromheen),
    };
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

/** What of a layer belongs to nobody alone. */
function withoutOwned(layer: Layer, parties: readonly DraftParty[], name: keyof OwnedFields): Layer {
  let rest: Record<string, unknown> | undefined;
  for (const { owns } of parties)
    for (const field of owns?.[name] ?? []) {
      rest ??= { ...layer };
      // Fields that are undefined are not written; deleting would change the object's shape.
      rest[field] = undefined;
    }
  return rest ?? layer;
}

function erinOf({ erin, call }: RecordDraft): Layer {
  return call ? { ...erin, call: call.id, phase: call.phase } : erin;
}

function eraanOf({ eraan }: RecordDraft, { parents, previousOfCall }: RecordContext): Layer {
  return { ...eraan, parents, previous: previousOfCall };
}

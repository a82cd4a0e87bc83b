import { type Fingerprint, fingerprintFromBytes } from '../tokens/index.ts';
import { ByteReader } from './byte-reader.ts';
import { cborMajor } from './byte-writer.ts';
import { layerNames } from './commitment.ts';
import { openingVersion } from './entry.ts';
import { ProvenanceError } from './error.ts';
import { decodeLayer, type Layer } from './layer.ts';
import type { PlacedParty, RecordFacts } from './ledger.ts';
import { leafHash } from './merkle-tree.ts';
import { isSealed, type PartyKeySource, SealedOpening } from './opening-seal.ts';
import { decodeReceipt } from './receipt.ts';
import { callPhaseOf, partyRoleOf, redactedEvent, redactedIntent, type StoredRecord } from './record.ts';
import { decodeStatement } from './statement.ts';

export interface SealedRecord {
  readonly statement: Uint8Array;
  readonly opening: Uint8Array;
  /** Asked for only when nothing of the record can be opened: it says when it was sealed. */
  receipt(): Uint8Array;
}

/** What the books and the index take from a record that is read back. */
export interface ReadFacts {
  readonly facts: RecordFacts;
  readonly sipCallId: string | undefined;
}

/** What is looked for in ERIN; undefined: it is not there, or no text. */
interface ErinFields {
  event: string | undefined;
  call: string | undefined;
  phase: string | undefined;
  outcome: string | undefined;
  callId: string | undefined;
}

/** Where the parts of an opening begin that can be opened. */
interface OpenedParts {
  readonly reader: ByteReader;
  readonly layers: number | undefined;
  erachter(): number | undefined;
  readonly items: readonly (number | undefined)[];
  readonly slots: readonly number[];
}

/**
 * Reads from a record what the books and the index take from it, and nothing else: a start after a crash asks it of
 * thousands. Throws ProvenanceError `record-malformed` or TokenError.
 */
export function factsOf(record: SealedRecord, keys: PartyKeySource): ReadFacts {
  const { reader, layers, erachter, items, slots } = openedParts(record.opening, keys);
  const idBytes = leafHash(record.statement);
  const erin = layers === undefined ? undefined : erinAt(reader, layers);
  const timeMs = layers === undefined ? decodeReceipt(record.receipt()).iat * 1_000 : timeAt(reader, layers);
  const parties: PlacedParty[] = [];
  for (const [at, item] of items.entries())
    if (item !== undefined) parties.push(partyAt(reader, item, slots[at] ?? 0, erin));
  if (erin && erin.event === undefined) throw malformed();
  const call = erin && callOf(erin);
  return {
    facts: {
      idBytes,
      timeMs,
      event: erin?.event ?? redactedEvent,
      call,
      parties,
      // A node's run begins with a record about nobody.
      opensNode: items.length === 0 ? openedNode(record.statement) : undefined,
      outcome: erin?.outcome,
      intent: call?.phase === 'attempt' ? intentAt(reader, erachter()) : undefined,
    },
    sipCallId: erin?.callId,
  };
}

function openedParts(opening: Uint8Array, keys: PartyKeySource): OpenedParts {
  if (isSealed(opening)) {
    const sealed = new SealedOpening(opening, keys);
    return {
      reader: new ByteReader(sealed.bytes),
      layers: sealed.shared?.start,
      erachter: () => sealed.erachter()?.start,
      items: sealed.items.map((item) => item?.start),
      slots: sealed.slots,
    };
  }
  const reader = new ByteReader(opening);
  const parts = reader.head(cborMajor.array);
  const version = reader.head(cborMajor.unsigned);
  const layers = reader.head(cborMajor.array);
  if (parts !== 3 || version !== openingVersion || layers !== layerNames.length) throw malformed();
  const starts: number[] = [];
  for (let left = layers; left > 0; left--) {
    starts.push(reader.at);
    reader.skip();
  }
  if (reader.head(cborMajor.array) !== 0) throw malformed();
  return { reader, layers: starts[0], erachter: () => starts[3], items: [], slots: [] };
}

/** Goes to the encoding in an item [salt, encoding]. */
function enter(reader: ByteReader, item: number): void {
  reader.at = item;
  if (reader.head(cborMajor.array) !== 2) throw malformed();
  reader.skip();
  reader.at = reader.byteString();
}

function erinAt(reader: ByteReader, layers: number): ErinFields {
  const fields: ErinFields = {
    event: undefined,
    call: undefined,
    phase: undefined,
    outcome: undefined,
    callId: undefined,
  };
  enter(reader, layers);
  readErin(reader, fields);
  return fields;
}

function readErin(reader: ByteReader, fields: ErinFields): void {
  for (let left = reader.head(cborMajor.map); left > 0; left--) {
    const key = reader.text();
    if (key === 'event' || key === 'call' || key === 'phase' || key === 'outcome' || key === 'callId')
      fields[key] = reader.textIfAny();
    else reader.skip();
  }
}

/** EROMHEEN comes after ERIN and ERAAN. */
function timeAt(reader: ByteReader, layers: number): number {
  reader.at = layers;
  reader.skip();
  reader.skip();
  return Date.parse(fieldIn(reader, reader.at, 'time'));
}

function intentAt(reader: ByteReader, erachter: number | undefined): string {
  return erachter === undefined ? redactedIntent : fieldIn(reader, erachter, 'intent');
}

function fieldIn(reader: ByteReader, item: number, wanted: string): string {
  enter(reader, item);
  for (let left = reader.head(cborMajor.map); left > 0; left--)
    if (reader.text() === wanted) return reader.text();
    else reader.skip();
  throw malformed();
}

/** Also what a party owns of ERIN. */
function partyAt(reader: ByteReader, item: number, slot: number, erin: ErinFields | undefined): PlacedParty {
  let fingerprint: Fingerprint | undefined;
  let role: string | undefined;
  let seq: number | undefined;
  let details: Layer | undefined;
  enter(reader, item);
  for (let left = reader.head(cborMajor.map); left > 0; left--) {
    const key = reader.text();
    const { at } = reader;
    if (key === 'fingerprint') fingerprint = fingerprintFromBytes(reader.bytes());
    else if (key === 'role') role = reader.text();
    else if (key === 'seq') seq = reader.head(cborMajor.unsigned);
    else if (key === 'erin' && erin) readErin(reader, erin);
    else reader.skip();
    if (key === 'details') details = decodeLayer(reader.since(at));
  }
  if (fingerprint === undefined || seq === undefined) throw malformed();
  const placed = { fingerprint, role: partyRoleOf(role), seq, slot };
  return details ? { ...placed, details } : placed;
}

function callOf({ call, phase }: ErinFields): StoredRecord['call'] {
  return call === undefined || phase === undefined ? undefined : { id: call, phase: callPhaseOf(phase) };
}

function openedNode(statement: Uint8Array): Fingerprint | undefined {
  const { node, nodeKey } = decodeStatement(statement);
  return nodeKey && fingerprintFromBytes(node);
}

function malformed(): ProvenanceError {
  return new ProvenanceError('record-malformed', 'a record that is read back has another form');
}

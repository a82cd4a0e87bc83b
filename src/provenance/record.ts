import { encodeBase32 } from '../base/index.ts';
import { type Fingerprint, fingerprintFromBytes } from '../tokens/index.ts';
import { layerNames } from './commitment.ts';
import { decodeEntry, decodeOpening } from './entry.ts';
import { ProvenanceError } from './error.ts';
import { decodeLayer, isLayer, type Layer } from './layer.ts';
import { leafHash } from './merkle-tree.ts';
import { type PartyKeySource, unsealOpening } from './opening-seal.ts';
import { decodeReceipt } from './receipt.ts';
import { decodeStatement } from './statement.ts';

/** The record's statement hash as 52 characters of base32. */
export type RecordId = string;
export const idLength = 52;

export type PartyRole = 'caller' | 'callee' | 'subject';
export type CallPhase = 'attempt' | 'progress' | 'answer' | 'close';

/** Fields of the common layers that are one party's own: committed, sealed and erased with that party. */
export interface OwnedFields {
  readonly erin?: readonly string[];
  readonly eromheen?: readonly string[];
}

/** Somebody whom a record is about. */
export interface Party {
  readonly fingerprint: Fingerprint;
  readonly role: PartyRole;
  /** More about this party alone. */
  readonly details?: Layer | undefined;
}

/** A party of a draft, with the names of the draft's fields that say something about this party only. */
export interface DraftParty extends Party {
  readonly owns?: OwnedFields;
}

/** What the caller of `append` says; the log adds node, time, sequence numbers and the previous record of the call. */
export interface RecordDraft {
  /** ERIN: what happened. */
  readonly erin: Layer & { readonly event: string };
  /** ERAAN: what it rests on. `tokens` are references to intent or identity tokens. */
  readonly eraan: Layer & { readonly parents: readonly RecordId[]; readonly tokens?: readonly string[] };
  /** EROMHEEN: the circumstances. */
  readonly eromheen: Layer;
  /** ERACHTER: the declared intent; never empty. */
  readonly erachter: string;
  /** What was signed of it, beside it in ERACHTER. */
  readonly signed?: Layer;
  readonly parties: readonly DraftParty[];
  readonly call?: { readonly id: string; readonly phase: CallPhase };
  /** Nobody waits for it to be durable: it may share a later sync (`unhurriedDelayMs`). Not part of the record. */
  readonly unhurried?: boolean;
}

/** A party as the log keeps it: `seq` counts the identity's records from 1, `prev` is the one before. */
export interface StoredParty extends Party {
  readonly seq: number;
  readonly prev: RecordId | undefined;
}

/** A record read back from the log, its layers opened. */
export interface StoredRecord {
  readonly id: RecordId;
  /** Its place in the log, from 0. */
  readonly position: number;
  readonly timeMs: number;
  readonly event: string;
  readonly call: { readonly id: string; readonly phase: CallPhase } | undefined;
  readonly erin: Layer;
  readonly eraan: Layer;
  readonly eromheen: Layer;
  readonly erachter: string;
  /** What was signed of it, as long as ERACHTER is there: docs/audit-format.md, "Signed intents". */
  readonly signed?: Layer;
  readonly parties: readonly StoredParty[];
  /** What was erased with a party: names of layers, and `party 0`, `party 1`; empty for a whole record. */
  readonly redacted: readonly string[];
  /** The node that logged it, and when it sealed the batch. */
  readonly node: Fingerprint;
  readonly sealedAt: number;
}

/** A call that has begun and not ended, as far as the log knows. */
export interface OpenCall {
  readonly id: string;
  readonly attempt: RecordId;
  readonly lastRecord: RecordId;
  readonly parties: readonly Party[];
  readonly sinceMs: number;
}

/** A record as it lies in the log: `opening` is sealed on disk and plain everywhere else. */
export interface RawRecord {
  readonly position: number;
  readonly entry: Uint8Array;
  readonly opening: Uint8Array;
}

/** A record whose opening was unsealed as far as there are keys. */
export interface OpenedRecord extends RawRecord {
  /** The key slots of the parties, in their order; empty for a record about nobody. */
  readonly slots: readonly number[];
}

/** Throws TokenError or ProvenanceError `record-malformed`. */
export function openRecord({ position, entry, opening }: RawRecord, keys: PartyKeySource): OpenedRecord {
  return { position, entry, ...unsealOpening(opening, keys) };
}

/** The event of a record whose parties were all erased. */
export const redactedEvent = 'redacted';
/** The intent of a record one of whose parties was erased: what one says of the other belongs to both. */
export const redactedIntent = 'erased';

/** Opens a record's layers without checking commitments; throws TokenError or ProvenanceError. */
export function readRecord(raw: RawRecord): StoredRecord {
  const { statement, receipt } = decodeEntry(raw.entry);
  const opening = decodeOpening(raw.opening);
  const layers = layerNames.map((_, at) => {
    const item = opening.layers[at];
    return item && decodeLayer(item.encoding);
  });
  const parties = opening.parties.map((item) => item && decodeLayer(item.encoding));
  const [erin, eraan = {}, eromheen, erachter] = layers;
  const sealed = decodeReceipt(receipt);
  const signed = erachter?.['signed'];
  return {
    id: encodeBase32(leafHash(statement)),
    position: raw.position,
    timeMs: eromheen ? timeOf(eromheen) : sealed.iat * 1000,
    event: eventOf(erin),
    call: erin && callOf(erin),
    erin: withOwned(erin ?? {}, parties, 'erin'),
    eraan,
    eromheen: withOwned(eromheen ?? {}, parties, 'eromheen'),
    erachter: intentOf(erachter),
    ...(isLayer(signed) && { signed }),
    parties: parties.flatMap((layer) => (layer ? [readParty(layer)] : [])),
    redacted: [
      ...layerNames.filter((_, at) => !layers[at]),
      ...parties.flatMap((layer, at) => (layer ? [] : [`party ${at}`])),
    ],
    node: fingerprintFromBytes(decodeStatement(statement).node),
    sealedAt: sealed.iat,
  };
}

export function timeOf(eromheen: Layer): number {
  return Date.parse(textOf(eromheen['time']));
}

export function eventOf(erin: Layer | undefined): string {
  return erin ? textOf(erin['event']) : redactedEvent;
}

export function intentOf(erachter: Layer | undefined): string {
  return erachter ? textOf(erachter['intent']) : redactedIntent;
}

/** A layer together with what the parties own of it. */
export function withOwned(
  layer: Layer,
  parties: readonly (Layer | undefined)[],
  name: keyof OwnedFields,
): Layer {
  let whole = layer;
  for (const party of parties) {
    const owned = party?.[name];
    if (isLayer(owned)) whole = { ...whole, ...owned };
  }
  return whole;
}

/** The party of an opened item; throws ProvenanceError `record-malformed`. */
export function readPartyItem(encoding: Uint8Array): StoredParty {
  return readParty(decodeLayer(encoding));
}

export function callOf(erin: Layer): StoredRecord['call'] {
  const { call, phase } = erin;
  if (typeof call !== 'string' || phase === undefined) return undefined;
  return { id: call, phase: callPhaseOf(phase) };
}

/** Throws ProvenanceError `record-malformed`. */
export function callPhaseOf(phase: unknown): CallPhase {
  if (phase === 'attempt' || phase === 'progress' || phase === 'answer' || phase === 'close') return phase;
  throw malformed('unknown call phase');
}

/** Throws ProvenanceError `record-malformed`. */
export function partyRoleOf(role: unknown): PartyRole {
  if (role === 'caller' || role === 'callee' || role === 'subject') return role;
  throw malformed('unknown role of a party');
}

export function outcomeOf({ outcome }: StoredRecord['erin']): string | undefined {
  return typeof outcome === 'string' ? outcome : undefined;
}

export function sipCallIdOf(erin: StoredRecord['erin']): string | undefined {
  const id = erin['callId'];
  return typeof id === 'string' ? id : undefined;
}

export function readParty(layer: Layer): StoredParty {
  const { fingerprint, role, seq, prev, details } = layer;
  if (!(fingerprint instanceof Uint8Array) || typeof seq !== 'number')
    throw malformed('a party is incomplete');
  return {
    fingerprint: fingerprintFromBytes(fingerprint),
    role: partyRoleOf(role),
    seq,
    prev: prev instanceof Uint8Array ? encodeBase32(prev) : undefined,
    ...(isLayer(details) ? { details } : {}),
  };
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw malformed('a field that must be text is not');
  return value;
}

function malformed(why: string): ProvenanceError {
  return new ProvenanceError('record-malformed', `not a record: ${why}`);
}

import { encodeBase32 } from '../base/index.ts';
import { type Fingerprint, fingerprintFromBytes } from '../tokens/index.ts';
import { layerNames } from './commitment.ts';
import { decodeEntry, decodeOpening } from './entry.ts';
import { ProvenanceError } from './error.ts';
import { decodeLayer, isLayer, type Layer } from './layer.ts';
import { leafHash } from './merkle-tree.ts';
import { decodeReceipt } from './receipt.ts';
import { decodeStatement } from './statement.ts';

/** The record's statement hash as 52 characters of base32. */
export type RecordId = string;

export type PartyRole = 'caller' | 'callee' | 'subject';
export type CallPhase = 'attempt' | 'progress' | 'answer' | 'close';

/** Somebody whom a record is about. What may have to be erased for one person only belongs into `details`. */
export interface Party {
  readonly fingerprint: Fingerprint;
  readonly role: PartyRole;
  readonly details?: Layer;
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
  readonly parties: readonly Party[];
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
  readonly parties: readonly StoredParty[];
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

/** A record as it lies in the log. */
export interface RawRecord {
  readonly position: number;
  readonly entry: Uint8Array;
  readonly opening: Uint8Array;
}

/** Opens a record's layers without checking commitments; throws TokenError or ProvenanceError. */
export function readRecord(raw: RawRecord): StoredRecord {
  const { statement, receipt } = decodeEntry(raw.entry);
  const opening = decodeOpening(raw.opening);
  const [erin, eraan, eromheen, erachter] = layerNames.map((_, at) =>
    decodeLayer(opening.layers[at]?.encoding ?? new Uint8Array(0)),
  );
  if (!erin || !eraan || !eromheen || !erachter) throw malformed('a layer is missing');
  const sealed = decodeReceipt(receipt);
  return {
    id: encodeBase32(leafHash(statement)),
    position: raw.position,
    timeMs: Date.parse(textOf(eromheen['time'])),
    event: textOf(erin['event']),
    call: callOf(erin),
    erin,
    eraan,
    eromheen,
    erachter: textOf(erachter['intent']),
    parties: opening.parties.map(({ encoding }) => readParty(decodeLayer(encoding))),
    node: fingerprintFromBytes(decodeStatement(statement).node),
    sealedAt: sealed.iat,
  };
}

function callOf(erin: Layer): StoredRecord['call'] {
  const { call, phase } = erin;
  if (typeof call !== 'string' || phase === undefined) return undefined;
  if (phase !== 'attempt' && phase !== 'progress' && phase !== 'answer' && phase !== 'close')
    throw malformed('unknown call phase');
  return { id: call, phase };
}

function readParty(layer: Layer): StoredParty {
  const { fingerprint, role, seq, prev, details } = layer;
  if (!(fingerprint instanceof Uint8Array) || typeof seq !== 'number')
    throw malformed('a party is incomplete');
  if (role !== 'caller' && role !== 'callee' && role !== 'subject')
    throw malformed('unknown role of a party');
  return {
    fingerprint: fingerprintFromBytes(fingerprint),
    role,
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

import { decodeBase32, encodeBase32 } from '../base/index.ts';
import { ByteWriter } from './byte-writer.ts';
import { ProvenanceError } from './error.ts';
import { decodeLayer, isLayer, writeLayer } from './layer.ts';
import { type CallState, type Head, plainParty } from './ledger.ts';
import type { Party } from './record.ts';

export function uint64(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  writeUint64(bytes, value, 0);
  return bytes;
}

function writeUint64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at);
  bytes.writeUInt32BE(value % 0x1_0000_0000, at + 4);
}

export function countFrom(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Bytes before the id: sequence number and position. */
const headNumbers = 16;

export function encodeHead({ seq, position, id }: Head): Buffer {
  const bytes = Buffer.allocUnsafe(headNumbers + id.length);
  writeUint64(bytes, seq, 0);
  writeUint64(bytes, position, 8);
  bytes.set(id, headNumbers);
  return bytes;
}

/** By hand: a call to somebody rarely called waits for this. */
export function decodeHead(bytes: Buffer | undefined): Head | undefined {
  if (!bytes) return undefined;
  const id = new Uint8Array(bytes.length - headNumbers);
  for (let at = 0; at < id.length; at++) id[at] = bytes[headNumbers + at] ?? 0;
  return { seq: uint64At(bytes, 0), position: uint64At(bytes, 8), id };
}

function uint64At(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}

export function encodeCall({ id, attempt, last, parties, sinceMs }: CallState): Buffer {
  const writer = new ByteWriter();
  writeLayer(writer, {
    id,
    attempt: encodeBase32(attempt),
    lastRecord: encodeBase32(last),
    parties: parties.map(plainParty),
    sinceMs,
  });
  return Buffer.from(writer.view());
}

export function decodeCall(bytes: Uint8Array): CallState {
  const { id, attempt, lastRecord, parties, sinceMs } = decodeLayer(bytes);
  if (
    typeof id !== 'string' ||
    typeof attempt !== 'string' ||
    typeof lastRecord !== 'string' ||
    typeof sinceMs !== 'number' ||
    !Array.isArray(parties)
  )
    throw damaged();
  return {
    id,
    attempt: decodeId(attempt),
    last: decodeId(lastRecord),
    parties: parties.map(decodeParty),
    sinceMs,
  };
}

function decodeParty(party: unknown): Party {
  if (!isLayer(party)) throw damaged();
  const { fingerprint, role, details } = party;
  if (typeof fingerprint !== 'string' || (role !== 'caller' && role !== 'callee' && role !== 'subject'))
    throw damaged();
  return { fingerprint, role, ...(isLayer(details) ? { details } : {}) };
}

function decodeId(text: string): Uint8Array {
  const id = decodeBase32(text);
  if (!id) throw damaged();
  return id;
}

function damaged(): ProvenanceError {
  return new ProvenanceError('index-foreign', 'the index is damaged; remove its directory to rebuild it');
}

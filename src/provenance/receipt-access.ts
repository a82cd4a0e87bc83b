import { type Fingerprint, fingerprintFromBytes } from '../tokens/index.ts';
import { decodeEntry } from './entry.ts';
import type { DurableBatch } from './group-commit.ts';
import type { PartyKeySource } from './opening-seal.ts';
import { partyReceipts } from './party-receipt.ts';
import { type QuerySource, queryRecords } from './query.ts';
import { type OpenedRecord, openRecord, type StoredRecord } from './record.ts';
import { decodeStatement } from './statement.ts';

export interface ReceiptSource extends QuerySource {
  /** Also of records that no checkpoint covers yet. */
  opened(position: number): Promise<OpenedRecord>;
}

/** The newest receipts of a party, oldest first, with the tokens of the nodes that have signed them. */
export interface ReceiptBatch {
  readonly receipts: readonly Uint8Array[];
  readonly nodeTokens: readonly Uint8Array[];
}

/** Receipts wait in the log itself: those of `fingerprint` after number `afterSeq`, at most the newest `limit`. */
export async function collectReceipts(
  source: ReceiptSource,
  fingerprint: Fingerprint,
  afterSeq: number,
  limit: number,
): Promise<ReceiptBatch> {
  const receipts: Uint8Array[] = [];
  const nodes = new Map<Fingerprint, Uint8Array | undefined>();
  for await (const record of queryRecords(source, { identity: fingerprint, newestFirst: true, limit })) {
    const party = record.parties.find((one) => one.fingerprint === fingerprint);
    if (!party || party.seq <= afterSeq) break;
    const opened = await source.opened(record.position);
    const own = partyReceipts(opened).find((one) => one.fingerprint === fingerprint);
    if (own) receipts.unshift(own.bytes);
    if (nodes.has(record.node)) continue;
    nodes.set(record.node, await nodeTokenOf(source, record));
  }
  return { receipts, nodeTokens: [...nodes.values()].filter((token) => token !== undefined) };
}

/** As the record says that opened the node's run; without an index, that one is searched backwards. */
async function nodeTokenOf(
  source: ReceiptSource,
  { node, position }: StoredRecord,
): Promise<Uint8Array | undefined> {
  const known = source.index?.nodePosition(node);
  for (let at = known ?? position; at >= 0; at--) {
    const statement = decodeStatement(decodeEntry((await source.opened(at)).entry).statement);
    if (statement.nodeKey && fingerprintFromBytes(statement.node) === node) return statement.nodeToken;
  }
  return undefined;
}

export type ReceiptListener = (receipt: Uint8Array) => void;

/** Hands receipts to those who wait for them, as soon as their records are durable; costs nothing while nobody does. */
export class ReceiptWatch {
  readonly #listeners = new Map<Fingerprint, Set<ReceiptListener>>();

  /** Returns how to stop. */
  add(fingerprint: Fingerprint, listener: ReceiptListener): () => void {
    const listeners = this.#listeners.get(fingerprint) ?? new Set();
    this.#listeners.set(fingerprint, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(fingerprint) === listeners)
        this.#listeners.delete(fingerprint);
    };
  }

  offer({ records, indexed }: DurableBatch, keys: PartyKeySource): void {
    if (this.#listeners.size === 0) return;
    for (const { position, facts } of indexed) {
      if (!facts.parties.some(({ fingerprint }) => this.#listeners.has(fingerprint))) continue;
      const record = records.at(position);
      for (const { fingerprint, bytes } of record ? partyReceipts(openRecord(record, keys)) : [])
        for (const listener of this.#listeners.get(fingerprint) ?? []) listener(bytes);
    }
  }
}

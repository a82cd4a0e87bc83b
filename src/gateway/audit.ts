import type { AppendResult, Erasure, OpenCall, ReceiptBatch, RecordDraft } from '../provenance/index.ts';

/** What the gateway needs of an audit log. */
export interface Audit {
  /** False while records cannot be made durable: no call may begin then. */
  readonly healthy: boolean;
  append(draft: RecordDraft): AppendResult;
  openCalls(): readonly OpenCall[];
  /** Destroys what the log says about one party; throws ProvenanceError `identity-unknown`. */
  erase(fingerprint: string, reason?: string): Promise<Erasure>;
  /** Leaves a record that commits to the newest record of every identity. */
  commitHeads(): Promise<unknown>;
  /** What a party may keep of its records after number `afterSeq`; at most the newest `limit`. */
  receipts(fingerprint: string, afterSeq: number, limit: number): Promise<ReceiptBatch>;
  /** Calls back with the receipt of each record of a party as it becomes durable; returns how to stop. */
  watchReceipts(fingerprint: string, listener: (receipt: Uint8Array) => void): () => void;
  /** Entries under the newest checkpoint. */
  readonly size: number;
  checkpoint(): string | undefined;
  close(): Promise<void>;
}

/** `audit.enabled: false`: the operator decided that nothing is recorded. */
export const noAudit: Audit = {
  healthy: true,
  append: () => ({ id: '', durability: { state: 'durable', whenSettled: (settled) => settled('durable') } }),
  openCalls: () => [],
  receipts: async () => ({ receipts: [], nodeTokens: [] }),
  watchReceipts: () => () => {},
  erase: async () => ({ record: '', records: 0 }),
  commitHeads: async () => undefined,
  size: 0,
  checkpoint: () => undefined,
  close: async () => {},
};

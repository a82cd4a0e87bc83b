import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { type PartyReceipt, parseReceipts } from '../provenance/index.ts';
import type { ReceiptKeeper } from '../softphone/index.ts';

/** What a phone learns from a delivery. */
export interface KeptReceipt {
  readonly record: string;
  readonly seq: number;
  /** What is wrong with it, in words; undefined when its signature and its place in the sequence are right. */
  readonly fault: string | undefined;
}

/** A phone's receipts in a file that only grows; `audit verify --receipts` holds it against a log. */
export class ReceiptBook implements ReceiptKeeper {
  readonly #path: string;
  readonly #fingerprint: string;
  readonly #onKept: (receipt: KeptReceipt) => void;
  readonly #known = new Map<number, string>();
  #newest = 0;

  constructor(path: string, fingerprint: string, onKept: (receipt: KeptReceipt) => void) {
    this.#path = path;
    this.#fingerprint = fingerprint;
    this.#onKept = onKept;
    if (!existsSync(path)) return;
    for (const { seq, record, fingerprint: whose } of parseReceipts(readFileSync(path, 'utf8')).receipts)
      if (whose === fingerprint) this.#note(seq, record);
  }

  /** Follows the newest receipt: a phone that was away for long is sent what is recent, not all. */
  get newest(): number {
    return this.#newest;
  }

  keep(text: string): boolean {
    const { receipts, nodeKeys } = parseReceipts(text);
    const fresh = receipts.filter(({ seq, record }) => this.#known.get(seq) !== record);
    if (fresh.length === 0) return true;
    try {
      appendFileSync(this.#path, text.endsWith('\n') ? text : `${text}\n`, { mode: 0o600, flush: true });
    } catch {
      return false;
    }
    for (const receipt of fresh) {
      const fault = this.#faultOf(receipt, nodeKeys.get(receipt.node));
      this.#note(receipt.seq, receipt.record);
      this.#onKept({ record: receipt.record, seq: receipt.seq, fault });
    }
    return true;
  }

  #note(seq: number, record: string): void {
    this.#known.set(seq, record);
    // After an erasure the sequence begins anew.
    this.#newest = seq === 1 ? 1 : Math.max(seq, this.#newest);
  }

  #faultOf(receipt: PartyReceipt, nodeKey: Uint8Array | undefined): string | undefined {
    const { fingerprint, seq, prev, record } = receipt;
    if (fingerprint !== this.#fingerprint) return 'it is about another identity';
    if (nodeKey === undefined || !receipt.holds(nodeKey)) return 'no node that was named has signed it';
    const other = this.#known.get(seq);
    if (other !== undefined && other !== record && seq !== 1) return `another record had the number ${seq}`;
    if (seq > 1 && this.#newest > 0 && !this.#known.has(seq - 1))
      return `the receipt of record ${seq - 1} never came`;
    const before = this.#known.get(seq - 1);
    return before !== undefined && before !== prev ? `it does not follow on record ${seq - 1}` : undefined;
  }
}

import { encodeBase32 } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import type { PartyReceipt } from './party-receipt.ts';
import type { ReceiptFile } from './receipt-file.ts';
import type { RecordId } from './record.ts';
import type { Findings } from './verdict.ts';

/** A bearer may add as many as he likes: a few of those that count for nothing are named. */
const maxNamed = 10;

/**
 * What parties hold against the log: each record that a receipt names, and the one that it names as the party's record
 * before, has to be there. Finds what was dropped from the middle or the end, also in a log that was made anew from
 * what is left, with all sequences and signatures right.
 */
export class ExpectedReceipts {
  readonly #file: ReceiptFile;
  readonly #wanted: ReadonlySet<RecordId>;
  readonly #found = new Set<RecordId>();

  constructor(file: ReceiptFile) {
    this.#file = file;
    this.#wanted = new Set(
      file.receipts.flatMap(({ record, prev }) => (prev === undefined ? [record] : [record, prev])),
    );
  }

  /** Receipts whose record is in the log. */
  get kept(): number {
    return this.#file.receipts.filter(({ record }) => this.#found.has(record)).length;
  }

  saw(id: Uint8Array): void {
    if (this.#wanted.size === 0) return;
    const text = encodeBase32(id);
    if (this.#wanted.has(text)) this.#found.add(text);
  }

  /**
   * `nodeKeys` are those that the log itself has published: only what one of them has signed accuses the log. A bearer
   * can make up a node as well as its receipts.
   */
  conclude(nodeKeys: ReadonlyMap<Fingerprint, Uint8Array>, findings: Findings): void {
    const { receipts, unreadable } = this.#file;
    if (unreadable > 0)
      findings.note(
        unreadable === 1
          ? 'a line of the receipts is no receipt'
          : `${unreadable} lines of the receipts are no receipts`,
      );
    let uncounted = 0;
    for (const receipt of receipts) {
      const { record, prev, seq, fingerprint, node } = receipt;
      const name = `record ${seq} of identity ${fingerprint}`;
      const key = nodeKeys.get(node);
      if (key === undefined || !receipt.holds(key)) {
        uncounted += 1;
        if (uncounted <= maxNamed) findings.note(`a receipt for ${name} ${this.#whyNot(receipt, key)}`);
      } else if (!this.#found.has(record))
        findings.problem(
          'receipt-missing',
          `a party holds a receipt for ${name} (${record}): it was dropped`,
        );
      else if (prev !== undefined && !this.#found.has(prev))
        findings.problem('receipt-missing', `${name} follows on ${prev}, which was dropped`);
    }
    if (uncounted > maxNamed)
      findings.note(`${uncounted - maxNamed} more receipts count for nothing here either`);
  }

  #whyNot(receipt: PartyReceipt, published: Uint8Array | undefined): string {
    const key = published ?? this.#file.nodeKeys.get(receipt.node);
    return published === undefined && key !== undefined && receipt.holds(key)
      ? `is signed by node ${receipt.node}, which this log does not name: of another log, made up, or of a run that was dropped whole`
      : 'is signed by no node that this log or its bearer can show';
  }
}

import { decodeBase64Url, encodeBase64Url } from '../base/index.ts';
import { decodeIdentityToken, type Fingerprint, TokenError } from '../tokens/index.ts';
import { ProvenanceError } from './error.ts';
import { type PartyReceipt, readPartyReceipt } from './party-receipt.ts';

/** What a MESSAGE with receipts is. */
export const receiptsMediaType = 'application/vnd.tibet.receipts';

const nodeLine = 'node ';
const receiptLine = 'receipt ';

/** What a phone keeps, and what travels to it: one node token or one receipt a line, base64url. */
export interface ReceiptFile {
  readonly receipts: readonly PartyReceipt[];
  /** Keys of nodes by their own tokens: enough to check a receipt before anybody has seen the log. */
  readonly nodeKeys: ReadonlyMap<Fingerprint, Uint8Array>;
  /** Lines that are neither. */
  readonly unreadable: number;
}

export function formatReceipts(nodeToken: Uint8Array | undefined, receipts: readonly Uint8Array[]): string {
  const lines = receipts.map((bytes) => `${receiptLine}${encodeBase64Url(bytes)}\n`);
  return (nodeToken ? `${nodeLine}${encodeBase64Url(nodeToken)}\n` : '') + lines.join('');
}

/** Never throws: the text comes from a phone, or from a gateway that nobody has to trust. */
export function parseReceipts(text: string): ReceiptFile {
  const receipts: PartyReceipt[] = [];
  const nodeKeys = new Map<Fingerprint, Uint8Array>();
  let unreadable = 0;
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (line === '') continue;
    try {
      if (line.startsWith(nodeLine)) {
        const { fingerprint, publicKey } = decodeIdentityToken(bytesOf(line.slice(nodeLine.length)));
        nodeKeys.set(fingerprint, publicKey);
      } else if (line.startsWith(receiptLine))
        receipts.push(readPartyReceipt(bytesOf(line.slice(receiptLine.length))));
      else unreadable += 1;
    } catch (error) {
      if (!(error instanceof ProvenanceError || error instanceof TokenError)) throw error;
      unreadable += 1;
    }
  }
  return { receipts, nodeKeys, unreadable };
}

function bytesOf(text: string): Uint8Array {
  return decodeBase64Url(text) ?? new Uint8Array(0);
}

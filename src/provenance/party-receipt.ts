import { encodeBase32, equalBytes } from '../base/index.ts';
import {
  type CborValue,
  decodeCbor,
  encodeCbor,
  type Fingerprint,
  fingerprintFromBytes,
} from '../tokens/index.ts';
import { ByteWriter } from './byte-writer.ts';
import { commitmentTo, partyLayerName, writeOpened } from './commitment.ts';
import { decodeEntry, decodeOpening } from './entry.ts';
import { ProvenanceError } from './error.ts';
import { leafHash } from './merkle-tree.ts';
import { decodeReceipt, ReceiptChecker } from './receipt.ts';
import { type OpenedRecord, type PartyRole, type RecordId, readPartyItem } from './record.ts';
import { decodeStatement } from './statement.ts';

const version = 1;

/** What a party keeps of a record about itself: that the log has promised it, and its place in the party's sequence. */
export interface PartyReceipt {
  readonly record: RecordId;
  readonly fingerprint: Fingerprint;
  readonly role: PartyRole;
  readonly seq: number;
  /** The party's record before this one. */
  readonly prev: RecordId | undefined;
  /** The node that has signed, and when, in seconds. */
  readonly node: Fingerprint;
  readonly sealedAt: number;
  /** Whether this key of the node has signed a batch that holds the record. */
  holds(nodeKey: Uint8Array): boolean;
}

/** The receipt of each party whose item can be opened: [version, entry, place among the parties, salt, encoding]. */
export function partyReceipts(
  record: OpenedRecord,
): readonly { fingerprint: Fingerprint; bytes: Uint8Array }[] {
  return decodeOpening(record.opening).parties.flatMap((item, at) =>
    item
      ? [
          {
            fingerprint: readPartyItem(item.encoding).fingerprint,
            bytes: encodeCbor([version, record.entry, at, item.salt, item.encoding]),
          },
        ]
      : [],
  );
}

/**
 * Reads a receipt and checks that the signed statement commits to what it says; whether the node has signed is up to
 * `holds`. Throws TokenError or ProvenanceError: the bytes come from whoever says that they are a receipt.
 */
export function readPartyReceipt(bytes: Uint8Array): PartyReceipt {
  const parts = decodeCbor(bytes);
  const [found, entry, at, salt, encoding]: readonly (CborValue | undefined)[] = Array.isArray(parts)
    ? parts
    : [];
  if (
    found !== version ||
    !(entry instanceof Uint8Array) ||
    typeof at !== 'number' ||
    !(salt instanceof Uint8Array) ||
    !(encoding instanceof Uint8Array)
  )
    throw new ProvenanceError('receipt-malformed', "not a party's receipt");
  const { statement, receipt } = decodeEntry(entry);
  const { node, parties } = decodeStatement(statement);
  const opened = new ByteWriter();
  writeOpened(opened, { salt, encoding });
  const commitment = Buffer.from(commitmentTo(new ByteWriter(), partyLayerName, opened.view()), 'latin1');
  const committed = parties[at];
  if (!committed || !commitment.equals(committed))
    throw new ProvenanceError('receipt-malformed', 'the statement does not commit to this party');
  const signed = decodeReceipt(receipt);
  if (!equalBytes(signed.node, node))
    throw new ProvenanceError('receipt-malformed', 'another node has signed than the one that logged');
  const id = leafHash(statement);
  const { fingerprint, role, seq, prev } = readPartyItem(encoding);
  return {
    record: encodeBase32(id),
    fingerprint,
    role,
    seq,
    prev,
    node: fingerprintFromBytes(node),
    sealedAt: signed.iat,
    holds: (nodeKey) => new ReceiptChecker().holds(signed, id, nodeKey),
  };
}

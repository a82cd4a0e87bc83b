import { decodeBase64, encodeBase32, equal } from './bytes.ts';
import { decodeCbor, Expect } from './cbor.ts';
import { VerifyError } from './error.ts';
import type { Claim } from './proof-file.ts';
import { decodeEntry, decodeReceipt } from './receipt.ts';
import { decodeStatement, openParty, type ProvedParty } from './record.ts';
import { rfc3339 } from './words.ts';

/** What a party holds: the gateway's promise that this record of the party exists. */
interface PartyReceipt {
  readonly id: string;
  readonly party: ProvedParty;
  readonly sealedAt: number;
  readonly node: Uint8Array;
  /** Whether this key of the node has signed it. */
  holds(nodeKey: Uint8Array): boolean;
}

const receiptLine = 'receipt ';
const nodeLine = 'node ';
const form = new Expect('receipt', "a party's receipt");

/** What somebody gave as a party's receipts. */
interface GivenReceipts {
  readonly receipts: readonly PartyReceipt[];
  /** Lines that are neither a receipt nor a node's token: a bearer may add what he likes. */
  readonly unreadable: number;
}

function parsePartyReceipts(text: string): GivenReceipts {
  const receipts: PartyReceipt[] = [];
  let unreadable = 0;
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (line === '' || line.startsWith(nodeLine)) continue;
    try {
      if (!line.startsWith(receiptLine)) throw new VerifyError('receipt', 'neither receipt nor node');
      receipts.push(readReceipt(line.slice(receiptLine.length).trim()));
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      unreadable++;
    }
  }
  return { receipts, unreadable };
}

/** [version, entry, place among the parties, salt, encoding], in unpadded base64url. */
function readReceipt(text: string): PartyReceipt {
  const standard = text.replaceAll('-', '+').replaceAll('_', '/');
  const bytes = decodeBase64(standard.padEnd(Math.ceil(standard.length / 4) * 4, '='));
  if (!bytes) throw new VerifyError('receipt', 'not base64url');
  const [version, entryBytes, at, salt, encoding] = form.array(decodeCbor(bytes, 'receipt'), 5);
  if (version !== 1) throw new VerifyError('receipt', 'the receipt is of another version');
  const entry = decodeEntry(form.bytes(entryBytes));
  const statement = decodeStatement(entry.statement);
  const receipt = decodeReceipt(entry.receipt);
  if (!equal(receipt.node, statement.node)) throw new VerifyError('receipt', 'another node has signed');
  return {
    id: encodeBase32(statement.id),
    party: openParty(statement.parties[form.count(at)], form.bytes(salt), form.bytes(encoding)),
    sealedAt: receipt.sealedAt,
    node: statement.node,
    holds: (nodeKey) => receipt.holds(statement.id, nodeKey),
  };
}

export interface ReceiptFindings {
  readonly contradictions: readonly string[];
  readonly gaps: readonly string[];
  /** Signed receipts whose records are in the file. */
  readonly kept: number;
  /** What they could not tell, in words: none is left aside in silence. */
  readonly open: readonly string[];
}

/**
 * Holds receipts against a proof: a record that the file claims to have and a party has a receipt for must be there.
 * `given` is a file of them; `records` are the ids that are shown with the places that they give the identity; `nodes` the keys that are proved.
 */
export function checkReceipts(
  given: string | undefined,
  records: readonly { readonly id: string; readonly parties: readonly ProvedParty[] }[],
  nodes: readonly { readonly node: Uint8Array; readonly nodeKey: Uint8Array | undefined }[],
  claim: Claim | undefined,
): ReceiptFindings {
  if (given === undefined) return { contradictions: [], gaps: [], kept: 0, open: [] };
  const { receipts, unreadable } = parsePartyReceipts(given);
  const shown = new Map(records.map(({ id, parties }) => [id, parties]));
  const places = new Map(
    records.flatMap(({ id, parties }) =>
      parties.map(({ fingerprint, seq }) => [`${fingerprint} ${seq}`, id]),
    ),
  );
  const claimed = claim?.kind === 'identity' ? encodeBase32(claim.fingerprint) : undefined;
  const contradictions: string[] = [];
  const gaps: string[] = [];
  let [kept, unknown, unsigned, unclaimed] = [0, 0, 0, 0];
  for (const { id, party, sealedAt, node, holds } of receipts) {
    const key = nodes.find((one) => equal(one.node, node))?.nodeKey;
    if (!key || !holds(key)) {
      if (key) unsigned++;
      else unknown++;
      continue;
    }
    const { fingerprint, seq } = party;
    const other = places.get(`${fingerprint} ${seq}`);
    if (shown.has(id)) kept++;
    else if (other !== undefined)
      contradictions.push(
        `identity ${fingerprint} holds a receipt for another record ${seq} than the one shown`,
      );
    else if (fingerprint === claimed)
      gaps.push(
        `the party holds a receipt for its record ${seq}, sealed at ${rfc3339(sealedAt)}, which is not here: it was left out, or logged after this proof was made`,
      );
    else unclaimed++;
  }
  const open = [
    ...(receipts.length + unreadable === 0
      ? ['What the party holds: the receipts that you gave are empty.']
      : []),
    ...(unreadable > 0
      ? [
          unreadable === 1
            ? 'What a line of the receipts says: it is no receipt.'
            : `What ${unreadable} lines of the receipts say: they are no receipts.`,
        ]
      : []),
    ...(unclaimed > 0
      ? [
          unclaimed === 1
            ? 'What a receipt of the party says: it names a record that this file does not claim to show.'
            : `What ${unclaimed} receipts of the party say: they name records that this file does not claim to show.`,
        ]
      : []),
    ...(unknown > 0
      ? [
          `What ${count(unknown)} of the party say: signed by runs of a gateway whose keys this file does not prove, so that nobody can tell here whether they are genuine. If they are, a proof that reaches to their records shows it.`,
        ]
      : []),
    ...(unsigned > 0
      ? [`What ${count(unsigned)} of the party say: the gateway that they name did not sign them.`]
      : []),
  ];
  return { contradictions, gaps, kept, open };
}

function count(receipts: number): string {
  return receipts === 1 ? 'a receipt' : `${receipts} receipts`;
}

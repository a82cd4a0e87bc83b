import {
  type CborValue,
  decodeCbor,
  encodeCbor,
  type Fingerprint,
  fingerprintBytes,
  type SigningKey,
  signCoseSign1,
} from '../tokens/index.ts';
import { peekCheckpoint } from './checkpoint.ts';
import { ProvenanceError } from './error.ts';
import type { RecordId } from './record.ts';
import { parseTlogProof } from './tlog-proof.ts';

/** RFC 9052 §3.1, RFC 9597, RFC 8392 §3.1, RFC 9942 §2 and §4.3. */
const label = { contentType: 3, cwtClaims: 15, receipts: 394, vds: 395, vdp: 396 } as const;
/** Private use (RFC 9052 §11.1): what the commitments in the payload are opened with. */
export const openingLabel = -70008;
const claim = { iss: 1, sub: 2 } as const;
const vdsRfc9162Sha256 = 1;
const inclusionProofs = -1;
/** Fields of a proof's extra data. */
const [entryField, openingField] = [1, 2];

export const statementType = 'tibet-statement+cose';
export const logReceiptType = 'tibet-log-receipt+cose';

export interface TransparentStatementOptions {
  /** Who states it: the gateway's identity. */
  readonly issuer: { readonly key: SigningKey; readonly fingerprint: Fingerprint };
  /** The key that signs the log's checkpoints. */
  readonly logKey: SigningKey;
}

/**
 * A record after the manner of SCITT (RFC 9943): a COSE_Sign1 over its log entry that carries a COSE receipt (RFC 9942)
 * for that entry. What was registered is the payload and not the COSE_Sign1 around it, which is made on export: a
 * verifier hashes the payload for the receipt. `proof` is a tlog-proof of the record; what it opens goes along unprotected,
 * so that whoever passes the statement on may take it off. Throws `proof-malformed`.
 */
export function transparentStatement(
  proof: string,
  record: RecordId,
  { issuer, logKey }: TransparentStatementOptions,
): Uint8Array {
  const { extra, index, path, checkpoint } = parseTlogProof(proof);
  const { origin, size, root } = peekCheckpoint(checkpoint);
  const fields = extra && decodeCbor(extra);
  const [entry, opening] =
    fields instanceof Map ? [fields.get(entryField), fields.get(openingField)] : [undefined, undefined];
  if (!(entry instanceof Uint8Array))
    throw new ProvenanceError('proof-malformed', 'the proof does not hold the entry');
  const receipt = signCoseSign1({
    key: logKey,
    kid: logKey.publicKey,
    typ: logReceiptType,
    payload: root,
    detached: true,
    protectedExtra: new Map<number, CborValue>([
      [label.cwtClaims, claims(origin, record)],
      [label.vds, vdsRfc9162Sha256],
    ]),
    unprotected: new Map([[label.vdp, new Map([[inclusionProofs, [encodeCbor([size, index, path])]]])]]),
  });
  return signCoseSign1({
    key: issuer.key,
    kid: fingerprintBytes(issuer.fingerprint),
    typ: statementType,
    payload: entry,
    protectedExtra: new Map<number, CborValue>([
      [label.contentType, 'application/cbor'],
      [label.cwtClaims, claims(issuer.fingerprint, record)],
    ]),
    unprotected: new Map<number, CborValue>([
      [label.receipts, [receipt]],
      ...(opening === undefined ? [] : ([[openingLabel, opening]] as const)),
    ]),
  });
}

function claims(issuer: string, subject: string): CborValue {
  return new Map([
    [claim.iss, issuer],
    [claim.sub, subject],
  ]);
}

import {
  type CborMap,
  type CborValue,
  decodeCbor,
  decodeCoseSign1,
  type SigningKey,
  signCoseParts,
  verifySignature,
} from '../tokens/index.ts';
import { BatchTree } from './batch-tree.ts';
import { type ByteWriter, cborMajor, headLength } from './byte-writer.ts';
import { ProvenanceError } from './error.ts';
import { hashBytes, leafHash, rootFromInclusion } from './merkle-tree.ts';

/** RFC 9596: keeps a batch signature from passing as any other COSE object of the same key. */
export const receiptType = 'tibet-receipt+cose';

/** RFC 9942 §4.3, RFC 8392 §3.1.6, RFC 9597: labels in receipts. */
const label = { cwtClaims: 15, iat: 6, vds: 395, vdp: 396 } as const;
const vdsRfc9162Sha256 = 1;
const inclusionProofs = -1;

/** RFC 9942 wants at least one hash in an inclusion path: a batch of one record gets this second leaf. */
const paddingLeaf: Uint8Array = leafHash(new Uint8Array(0));

/** Largest path that is read: a batch has far fewer than 2^32 records. */
const maxPathLength = 32;

/** One signature over the tree of a batch, and from it the receipt of each record. */
export interface BatchSeal {
  readonly protectedBytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly tree: BatchTree;
}

/** The tree of a batch whose statements have these leaf hashes. */
export function batchTree(ids: readonly Uint8Array[]): BatchTree {
  return new BatchTree(ids.length === 1 ? [...ids, paddingLeaf] : ids);
}

/** Signs a batch: `ids` are the leaf hashes of the statements, `iat` is in seconds. */
export function sealBatch(
  ids: readonly Uint8Array[],
  signer: { readonly key: SigningKey; readonly kid: Uint8Array },
  iat: number,
): BatchSeal {
  const tree = batchTree(ids);
  const signed = signCoseParts({
    key: signer.key,
    kid: signer.kid,
    typ: receiptType,
    payload: tree.root,
    protectedExtra: new Map<number, CborValue>([
      [label.cwtClaims, new Map([[label.iat, iat]])],
      [label.vds, vdsRfc9162Sha256],
    ]),
  });
  return { ...signed, tree };
}

/** Appends the receipt of the batch's record number `index`: RFC 9942 §5.2, payload detached. */
export function writeReceipt(writer: ByteWriter, seal: BatchSeal, index: number): void {
  const { tree } = seal;
  const length = tree.pathLength(index);
  writer.uint8(0xd2);
  writer.head(cborMajor.array, 4);
  writer.byteString(seal.protectedBytes);
  writer.head(cborMajor.map, 1);
  writer.head(cborMajor.unsigned, label.vdp);
  writer.head(cborMajor.map, 1);
  writer.head(cborMajor.negative, -1 - inclusionProofs);
  writer.head(cborMajor.array, 1);
  writer.head(cborMajor.bytes, proofLength(tree.size, index, length));
  writer.head(cborMajor.array, 3);
  writer.head(cborMajor.unsigned, tree.size);
  writer.head(cborMajor.unsigned, index);
  writer.head(cborMajor.array, length);
  tree.writePath(writer, index);
  writer.uint8(0xf6);
  writer.byteString(seal.signature);
}

function proofLength(size: number, index: number, pathLength: number): number {
  return 1 + headLength(size) + headLength(index) + headLength(pathLength) + pathLength * (2 + hashBytes);
}

/** A receipt whose form is right; whether it holds is up to `receiptHolds`. */
export interface Receipt {
  /** The node whose key signed, 32 bytes. */
  readonly node: Uint8Array;
  /** When the batch was sealed, in seconds. */
  readonly iat: number;
  readonly batchSize: number;
  readonly index: number;
  readonly path: readonly Uint8Array[];
  readonly signature: Uint8Array;
  toBeSigned(root: Uint8Array): Uint8Array;
}

/** Strict; throws TokenError or ProvenanceError `receipt-malformed`. */
export function decodeReceipt(bytes: Uint8Array): Receipt {
  const cose = decodeCoseSign1(bytes);
  const claims = cose.protectedMap.get(label.cwtClaims);
  const iat = claims instanceof Map ? claims.get(label.iat) : undefined;
  if (
    cose.typ !== receiptType ||
    cose.kid?.length !== hashBytes ||
    cose.payload !== null ||
    cose.protectedMap.size !== 5 ||
    cose.protectedMap.get(label.vds) !== vdsRfc9162Sha256 ||
    typeof iat !== 'number'
  )
    throw malformed('its headers are not those of a batch receipt');
  const proof = decodeCbor(onlyProof(cose.unprotectedMap));
  if (!Array.isArray(proof) || proof.length !== 3)
    throw malformed('its inclusion proof is no array of three');
  const [batchSize, index, path]: readonly (CborValue | undefined)[] = proof;
  if (typeof batchSize !== 'number' || typeof index !== 'number' || index < 0 || index >= batchSize)
    throw malformed('its leaf lies outside its tree');
  if (!Array.isArray(path) || path.length === 0 || path.length > maxPathLength)
    throw malformed('its path has no possible length');
  return {
    node: cose.kid,
    iat,
    batchSize,
    index,
    path: path.map(pathHash),
    signature: cose.signature,
    toBeSigned: (root) => cose.toBeSigned(root),
  };
}

function onlyProof(unprotected: CborMap): Uint8Array {
  const proofs = unprotected.get(label.vdp);
  const list = proofs instanceof Map && proofs.size === 1 ? proofs.get(inclusionProofs) : undefined;
  const proof: unknown = Array.isArray(list) && list.length === 1 ? list[0] : undefined;
  if (unprotected.size !== 1 || !(proof instanceof Uint8Array)) throw malformed('it needs exactly one proof');
  return proof;
}

function pathHash(value: CborValue): Uint8Array {
  if (value instanceof Uint8Array && value.length === hashBytes) return value;
  throw malformed('a hash of its path has another length');
}

function malformed(why: string): ProvenanceError {
  return new ProvenanceError('receipt-malformed', `not a receipt: ${why}`);
}

/**
 * Whether the node's key signed a batch that holds this statement. All receipts of a batch share one signature,
 * so a checker remembers the last one that verified: a whole log costs one verification per batch.
 */
export class ReceiptChecker {
  #verified:
    | { readonly publicKey: Uint8Array; readonly signed: Uint8Array; readonly signature: Uint8Array }
    | undefined;

  holds(receipt: Receipt, statementHash: Uint8Array, publicKey: Uint8Array): boolean {
    const root = rootFromInclusion(statementHash, receipt.index, receipt.batchSize, receipt.path);
    if (!root) return false;
    const signed = receipt.toBeSigned(root);
    const { signature } = receipt;
    const last = this.#verified;
    if (
      last &&
      same(last.signed, signed) &&
      same(last.signature, signature) &&
      same(last.publicKey, publicKey)
    )
      return true;
    if (!verifySignature(publicKey, signed, signature)) return false;
    this.#verified = { publicKey, signed, signature };
    return true;
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

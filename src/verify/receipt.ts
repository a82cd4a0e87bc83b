import { concat, utf8 } from './bytes.ts';
import { type Cbor, decodeCbor, Expect } from './cbor.ts';
import { head } from './commitment.ts';
import { hashBytes, verifyEd25519 } from './crypto.ts';
import { VerifyError } from './error.ts';
import { rootFromInclusion } from './merkle.ts';

const form = new Expect('receipt', "the node's receipt");
/** RFC 9052 §3.1, RFC 9596, RFC 9597, RFC 9942 §4.3: labels; RFC 9864: the algorithm. */
const label = { alg: 1, kid: 4, cwtClaims: 15, typ: 16, iat: 6, vds: 395, vdp: 396, inclusion: -1 } as const;
const algEd25519 = -19;
const vdsRfc9162Sha256 = 1;

/** A COSE receipt (RFC 9942 §5.2): the node's signature over the tree of all records of one commit. */
export interface Receipt {
  readonly node: Uint8Array;
  /** When the node sealed the batch, in POSIX seconds. */
  readonly sealedAt: number;
  /** Whether the node's key signed a batch that holds the record of this id. */
  holds(id: Uint8Array, nodeKey: Uint8Array): boolean;
}

/** Throws VerifyError `receipt`. */
export function decodeReceipt(bytes: Uint8Array): Receipt {
  // COSE_Sign1 (RFC 9052 §4.2) under tag 18, payload detached.
  if (bytes[0] !== 0xd2) throw new VerifyError('receipt', "the node's receipt is no COSE_Sign1");
  const [protectedValue, unprotected, payload, signed] = form.array(
    decodeCbor(bytes.subarray(1), 'receipt'),
    4,
  );
  const protectedBytes = form.bytes(protectedValue);
  const headers = form.map(decodeCbor(protectedBytes, 'receipt'));
  if (
    headers.size !== 5 ||
    headers.get(label.alg) !== algEd25519 ||
    headers.get(label.typ) !== 'tibet-receipt+cose' ||
    headers.get(label.vds) !== vdsRfc9162Sha256 ||
    payload !== null
  )
    throw new VerifyError('receipt', "the headers of the node's receipt are not those of one");
  const signature = form.bytes(signed, 64);
  const proof = inclusionProof(unprotected);
  return {
    node: form.bytes(headers.get(label.kid), hashBytes),
    sealedAt: form.count(form.map(headers.get(label.cwtClaims)).get(label.iat)),
    holds: (id, nodeKey) => {
      const root = rootFromInclusion(id, proof.index, proof.size, proof.path);
      return root !== undefined && verifyEd25519(nodeKey, coseToBeSigned(protectedBytes, root), signature);
    },
  };
}

function inclusionProof(unprotected: Cbor | undefined): {
  readonly size: number;
  readonly index: number;
  readonly path: readonly Uint8Array[];
} {
  const headers = form.map(unprotected);
  const proofs = form.map(headers.get(label.vdp));
  const [encoded] = form.array(proofs.get(label.inclusion), 1);
  if (headers.size !== 1 || proofs.size !== 1)
    throw new VerifyError('receipt', 'the receipt needs one proof');
  const [size, index, path] = form.array(decodeCbor(form.bytes(encoded), 'receipt'), 3);
  return {
    size: form.count(size),
    index: form.count(index),
    path: form.array(path).map((hash) => form.bytes(hash, hashBytes)),
  };
}

/** RFC 9052 §4.4. */
export function coseToBeSigned(protectedBytes: Uint8Array, payload: Uint8Array): Uint8Array {
  const context = utf8('Signature1');
  return concat(
    Uint8Array.of(0x84),
    head(0x60, context.length),
    context,
    head(0x40, protectedBytes.length),
    protectedBytes,
    Uint8Array.of(0x40),
    head(0x40, payload.length),
    payload,
  );
}

/** An entry of the log's tree: [statement, receipt]. Throws VerifyError `entry`. */
export function decodeEntry(bytes: Uint8Array): {
  readonly statement: Uint8Array;
  readonly receipt: Uint8Array;
} {
  const entryForm = new Expect('entry', 'an entry of the log');
  const [statement, receipt] = entryForm.array(decodeCbor(bytes, 'entry'), 2);
  return { statement: entryForm.bytes(statement), receipt: entryForm.bytes(receipt) };
}

import { equalBytes } from '../base/index.ts';
import { type CborMap, type CborValue, encodeCbor } from './cbor-encoder.ts';
import type { ClaimReader } from './cwt-claims.ts';
import { type SigningKey, signatureBytes, verifySignature } from './keys.ts';

/**
 * A parent's approval of a pseudonym: its signature over the child's core, the attributes that the child shows
 * and the latest time at which the child's token may expire. A renewal within that time needs no new approval;
 * a changed attribute does.
 */
export interface IssuerProof {
  readonly approvedUntil: number;
  readonly signature: Uint8Array;
}

export interface ApprovedChild {
  /** `encodeCore` of the child. */
  readonly core: Uint8Array;
  readonly attributes: CborMap | undefined;
}

const issuerProofContext = 'tibet-issuer-proof-v1';
const member = { approvedUntil: 1, signature: 2 } as const;

export function signIssuerProof(
  parentKey: SigningKey,
  child: ApprovedChild,
  approvedUntil: number,
): IssuerProof {
  return { approvedUntil, signature: parentKey.sign(toBeSigned(child, approvedUntil)) };
}

/** `parentKey` is the parent's own key as the verifier knows it, never one that came with the child. */
export function verifyIssuerProof(
  parentKey: Uint8Array,
  child: ApprovedChild,
  proof: IssuerProof,
  childKey: Uint8Array,
): boolean {
  // A key that approves itself is no parent.
  if (equalBytes(parentKey, childKey)) return false;
  return verifySignature(parentKey, toBeSigned(child, proof.approvedUntil), proof.signature);
}

export function encodeIssuerProof(proof: IssuerProof): CborMap {
  return new Map<number, CborValue>([
    [member.approvedUntil, proof.approvedUntil],
    [member.signature, proof.signature],
  ]);
}

export function decodeIssuerProof(reader: ClaimReader): IssuerProof {
  const proof = {
    approvedUntil: reader.unsigned(member.approvedUntil),
    signature: reader.bytes(member.signature, signatureBytes),
  };
  reader.finish();
  return proof;
}

function toBeSigned({ core, attributes }: ApprovedChild, approvedUntil: number): Uint8Array {
  return encodeCbor([issuerProofContext, core, attributes ?? null, approvedUntil]);
}

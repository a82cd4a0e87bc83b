import type { HeaderField } from '../message/index.ts';

/** Why a REGISTER was refused: for the log and the audit. */
export type RegisterFault =
  | 'domain'
  | 'scheme'
  | 'required-extension'
  | 'contact-malformed'
  | 'contact-too-long'
  | 'contact-scheme'
  | 'contact-is-gruu'
  | 'contact-is-aor'
  | 'too-many-contacts'
  | 'wildcard'
  | 'interval-too-brief'
  | 'path-malformed'
  | 'path-unsupported'
  | 'first-hop'
  | 'several-flows'
  | 'out-of-order'
  | 'too-many-bindings';

export interface RegisterRejection {
  readonly kind: 'rejection';
  readonly fault: RegisterFault;
  readonly status: number;
  /** Undefined: the usual phrase of the status. */
  readonly reason: string | undefined;
  readonly headers: readonly HeaderField[];
}

export function reject(
  fault: RegisterFault,
  status: number,
  reason?: string,
  headers: readonly HeaderField[] = [],
): RegisterRejection {
  return { kind: 'rejection', fault, status, reason, headers };
}

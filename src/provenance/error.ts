/** Why the audit log refused: the closed set that callers may branch on. */
export type ProvenanceErrorCode =
  | 'closed'
  | 'unhealthy'
  | 'overloaded'
  | 'erachter-empty'
  | 'layer-invalid'
  | 'too-large'
  | 'call-open'
  | 'call-closed'
  | 'locked'
  | 'storage'
  | 'origin'
  | 'vkey'
  | 'note-malformed'
  | 'note-signature'
  | 'checkpoint-malformed'
  | 'checkpoint-missing'
  | 'checkpoint-contradicted'
  | 'tile-damaged'
  | 'bundle-damaged'
  | 'record-malformed'
  | 'receipt-malformed'
  | 'journal-damaged'
  | 'party-keys-damaged'
  | 'identity-unknown'
  | 'rolled-back'
  | 'index-foreign'
  | 'proof-malformed'
  | 'record-unknown'
  | 'record-ambiguous'
  | 'record-pending'
  | 'head-unproved';

/** The one error class of this folder; `cause` holds what the system said, where it said something. */
export class ProvenanceError extends Error {
  readonly code: ProvenanceErrorCode;

  constructor(code: ProvenanceErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'ProvenanceError';
    this.code = code;
  }
}

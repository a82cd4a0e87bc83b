/** Why the overlay refused: the closed set that callers may branch on, log and record. */
export type OverlayErrorCode =
  | 'name-invalid'
  | 'name-taken'
  | 'alias-invalid'
  | 'alias-taken'
  | 'username-taken'
  | 'unknown-identity'
  | 'not-an-identity'
  | 'token-expired'
  | 'token-not-yet-valid'
  | 'revoked'
  | 'superseded'
  | 'succession-invalid'
  | 'issuer-unknown'
  | 'issuer-invalid'
  | 'record-malformed'
  | 'record-signature'
  | 'record-expired'
  | 'record-from-future'
  | 'record-lifetime'
  | 'record-replayed'
  | 'capability-invalid'
  | 'too-many'
  | 'proof-failed'
  | 'store-open'
  | 'store-unavailable'
  | 'store-corrupt';

/** Raised by every part of this folder; the message never holds token, key or credential bytes. */
export class OverlayError extends Error {
  readonly code: OverlayErrorCode;

  constructor(code: OverlayErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'OverlayError';
    this.code = code;
  }
}

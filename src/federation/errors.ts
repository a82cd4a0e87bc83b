/** Why an identity of another operator is not known, or not believed: the closed set that callers may branch on. */
export type FederationErrorCode =
  /** The domain answers, and has no such identity. */
  | 'not-found'
  | 'unreachable'
  /** The address is none that this gateway may ask. */
  | 'forbidden-address'
  | 'too-large'
  | 'malformed'
  /** Another identity or name than was asked for, or a signature that is not its key's. */
  | 'forged'
  | 'stale'
  /** Older than what was seen before. */
  | 'rolled-back'
  /** The name had another key before. */
  | 'name-changed'
  | 'revoked'
  | 'busy';

/** Raised by every part of this folder; the message never holds token or key bytes. */
export class FederationError extends Error {
  readonly code: FederationErrorCode;

  constructor(code: FederationErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'FederationError';
    this.code = code;
  }
}

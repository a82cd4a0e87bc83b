/** Why a token, key, name or identity file was refused: the closed set that callers may branch on and log. */
export type TokenErrorCode =
  | 'cbor-malformed'
  | 'cbor-not-canonical'
  | 'cbor-unsupported'
  | 'duplicate-key'
  | 'cose-malformed'
  | 'alg'
  | 'typ'
  | 'kid'
  | 'claims'
  | 'too-large'
  | 'key-invalid'
  | 'signature'
  | 'core-signature'
  | 'kind'
  | 'subject'
  | 'lifetime'
  | 'attribute'
  | 'assurance'
  | 'issuer-proof'
  | 'cross-signing'
  | 'link'
  | 'succession'
  | 'file'
  | 'file-exists'
  | 'passphrase';

/** Raised by every parser and constructor of this folder; the message never holds token or key bytes. */
export class TokenError extends Error {
  readonly code: TokenErrorCode;

  constructor(code: TokenErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'TokenError';
    this.code = code;
  }
}

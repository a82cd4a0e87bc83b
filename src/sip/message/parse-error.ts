import type { HeaderField } from './model.ts';

export type SipParseErrorCode =
  | 'start-line'
  | 'version'
  | 'incomplete'
  | 'line-break'
  | 'control-byte'
  | 'header-name'
  | 'header-missing'
  | 'header-duplicate'
  | 'header-too-long'
  | 'headers-too-large'
  | 'too-many-headers'
  | 'message-too-large'
  | 'identifier-too-long'
  | 'content-length'
  | 'content-length-missing'
  | 'truncated'
  | 'excess-bytes'
  | 'via'
  | 'call-id'
  | 'cseq'
  | 'cseq-method'
  | 'max-forwards'
  | 'uri'
  | 'name-addr'
  | 'params'
  | 'contact'
  | 'auth'
  | 'number';

/** What could still be read of a malformed request: enough to answer it (RFC 3261 §8.2.6.2). */
export interface PartialRequest {
  readonly method: string;
  /** Via (all, in order), From, To, Call-ID and CSeq, as written. */
  readonly headers: readonly HeaderField[];
}

/** The only error that arbitrary bytes from the network can raise here. */
export class SipParseError extends Error {
  override readonly name = 'SipParseError';
  readonly code: SipParseErrorCode;
  /** The status that a request with this fault is answered with. */
  readonly status: number;
  /** Set by `parseMessage` and the framer when the fault lies in a request that can be answered. */
  readonly partial: PartialRequest | undefined;

  constructor(code: SipParseErrorCode, message: string, status = 400, partial?: PartialRequest) {
    super(message);
    this.code = code;
    this.status = status;
    this.partial = partial;
  }
}

/** The same fault, with what can be read of its request. */
export function withPartial(error: SipParseError, partial: PartialRequest | undefined): SipParseError {
  return partial === undefined ? error : new SipParseError(error.code, error.message, error.status, partial);
}

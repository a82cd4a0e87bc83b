export type RtpengineErrorCode =
  /** Not bencode, or written in a second way for the same thing. */
  | 'bad-bencode'
  /** Nested deeper, or of more parts, than any reply is. */
  | 'too-large'
  /** No cookie, or no dictionary behind it. */
  | 'bad-message';

/** What came from the control port is no reply of rtpengine. */
export class RtpengineError extends Error {
  override readonly name = 'RtpengineError';
  readonly code: RtpengineErrorCode;

  constructor(code: RtpengineErrorCode) {
    super(`not a reply of rtpengine: ${code}`);
    this.code = code;
  }
}

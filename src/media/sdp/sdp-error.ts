export type SdpErrorCode =
  | 'too-large'
  | 'too-many-lines'
  | 'too-many-media'
  | 'bad-line'
  | 'bad-version'
  | 'bad-connection'
  | 'bad-media'
  | 'bad-attribute'
  | 'no-connection'
  | 'bad-multipart';

/** A session description that cannot be worked with. Written by a phone: the message holds none of its text. */
export class SdpError extends Error {
  readonly code: SdpErrorCode;

  constructor(code: SdpErrorCode) {
    super(`session description: ${code}`);
    this.name = 'SdpError';
    this.code = code;
  }
}

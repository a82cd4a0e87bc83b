import { SipParseError } from './parse-error.ts';

/** What one message may cost; all sizes in bytes. */
export interface MessageLimits {
  /** Start line, headers and body together; beyond it: 513. */
  readonly maxMessageBytes: number;
  /** Start line and headers with the blank line; beyond it: 513. */
  readonly maxHeaderBytes: number;
  readonly maxHeaderCount: number;
  /** The start line, or one header field with its continuation lines. */
  readonly maxHeaderLineBytes: number;
  /** A tag, a branch or a Call-ID: these become keys of tables. */
  readonly maxIdentifierBytes: number;
  /** Multipart bodies within multipart bodies; beyond it: 415. */
  readonly maxMultipartDepth: number;
  /** All parts of a multipart body, at whatever depth; beyond it: 415. */
  readonly maxMultipartParts: number;
}

export const defaultMessageLimits: MessageLimits = {
  maxMessageBytes: 65_535,
  maxHeaderBytes: 32_768,
  maxHeaderCount: 256,
  maxHeaderLineBytes: 8_192,
  maxIdentifierBytes: 1_024,
  maxMultipartDepth: 8,
  maxMultipartParts: 64,
};

export function headersTooLarge(limits: MessageLimits): SipParseError {
  return new SipParseError('headers-too-large', `headers longer than ${limits.maxHeaderBytes} bytes`, 513);
}

export function messageTooLarge(limits: MessageLimits): SipParseError {
  return new SipParseError('message-too-large', `message longer than ${limits.maxMessageBytes} bytes`, 513);
}

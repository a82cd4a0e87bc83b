import { asBuffer } from '../../base/index.ts';
import { readCore } from './core-fields.ts';
import { cr, lf } from './grammar.ts';
import { scanHeaders } from './header-scan.ts';
import { headersTooLarge, type MessageLimits, messageTooLarge } from './limits.ts';
import { emptyBody, type SipMessage } from './model.ts';
import { SipParseError, withPartial } from './parse-error.ts';
import { readPartialRequest } from './partial-request.ts';
import { parseStartLine } from './start-line.ts';

/** What bytes behind the body mean: ignored in a datagram (RFC 3261 §18.3), refused in a frame that holds one message. */
export type ExcessBytes = 'ignore' | 'refuse';

/**
 * Parses one whole message, whose bytes a stranger controls. The result keeps a view of `bytes` as body.
 * Throws nothing but SipParseError.
 */
export function parseMessage(
  bytes: Uint8Array,
  limits: MessageLimits,
  excess: ExcessBytes = 'ignore',
): SipMessage {
  if (bytes.length > limits.maxMessageBytes) {
    throw messageTooLarge(limits);
  }
  const buffer = skipLeadingLineBreaks(asBuffer(bytes));
  // Decoded once; a short body comes along, which is cheaper than to look for its start first.
  const decodedEnd = Math.min(buffer.length, limits.maxHeaderBytes);
  const text = buffer.toString('latin1', 0, decodedEnd);
  try {
    return parseText(text, buffer, limits, excess);
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error;
    const fault = error.code === 'incomplete' && decodedEnd < buffer.length ? headersTooLarge(limits) : error;
    throw withPartial(fault, readPartialRequest(text, limits));
  }
}

/** RFC 3261 §7.5: CRLF before the start line is ignored. */
function skipLeadingLineBreaks(buffer: Buffer): Buffer {
  let i = 0;
  while (i + 1 < buffer.length && buffer[i] === cr && buffer[i + 1] === lf) i += 2;
  return i === 0 ? buffer : buffer.subarray(i);
}

function parseText(text: string, buffer: Buffer, limits: MessageLimits, excess: ExcessBytes): SipMessage {
  const lineEnd = text.indexOf('\r\n');
  if (lineEnd < 0) throw new SipParseError('start-line', 'no start line');
  if (lineEnd > limits.maxHeaderLineBytes) throw new SipParseError('start-line', 'start line too long', 414);
  const line = parseStartLine(text, lineEnd);
  const { headers, contentLength, end } = scanHeaders(text, buffer, lineEnd + 2, limits);
  const core = readCore(headers, limits);
  const body = takeBody(buffer, end, contentLength, excess);
  const { callId, cseq, from, to, via, maxForwards } = core;
  if (line.kind === 'response') {
    return {
      kind: 'response',
      status: line.status,
      reason: line.reason,
      headers,
      body,
      callId,
      cseq,
      from,
      to,
      via,
    };
  }
  const { method, uri } = line;
  if (method !== cseq.method) throw new SipParseError('cseq-method', 'CSeq method is not the request method');
  return { kind: 'request', method, uri, maxForwards, headers, body, callId, cseq, from, to, via };
}

/** RFC 3261 §18.3. Without Content-Length the body is all that follows. */
function takeBody(buffer: Buffer, from: number, contentLength: number, excess: ExcessBytes): Uint8Array {
  const available = buffer.length - from;
  const length = contentLength < 0 ? available : contentLength;
  if (length > available) throw new SipParseError('truncated', 'body shorter than Content-Length');
  if (length < available && excess === 'refuse') {
    throw new SipParseError('excess-bytes', 'bytes behind the body');
  }
  return length === 0 ? emptyBody : buffer.subarray(from, from + length);
}

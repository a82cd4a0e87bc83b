import { cr, lf } from './grammar.ts';
import type { SipMessage } from './model.ts';

/**
 * The bytes of a message, with the Content-Length of its body (RFC 3261 §20.14).
 * Throws RangeError when some text would break out of its line: that is a fault of this program, never of a peer.
 */
export function serializeMessage(message: SipMessage): Uint8Array {
  let text =
    message.kind === 'request'
      ? `${message.method} ${message.uri} SIP/2.0\r\n`
      : `SIP/2.0 ${message.status} ${message.reason}\r\n`;
  const { headers, body } = message;
  for (const field of headers) text += `${field.rawName}: ${field.value}\r\n`;
  text += `Content-Length: ${body.length}\r\n\r\n`;

  const bytes = Buffer.allocUnsafe(text.length + body.length);
  const written = bytes.write(text, 0, 'latin1');
  if (countLines(bytes, written) !== headers.length + 3) throw new RangeError('line break inside a header');
  if (body.length > 0) bytes.set(body, text.length);
  return bytes;
}

/** Lines of the encoded text, or -1 when a CR or LF stands alone: also finds what latin1 makes of U+010A. */
function countLines(bytes: Uint8Array, end: number): number {
  let lines = 0;
  for (let i = 0; i < end; i++) {
    const code = bytes[i];
    if (code === cr) {
      if (bytes[i + 1] !== lf) return -1;
      lines++;
      i++;
    } else if (code === lf) return -1;
  }
  return lines;
}

import type { SipRequest } from '../message/index.ts';

/** Two spaces, `SIP/2.0` and the line's end around method and URI. */
const startLineBytes = 11;
/** `: ` and the line's end. */
const fieldBytes = 4;
const lengthField = 'Content-Length';
const lineEndBytes = 2;

/** How long a request is on the wire, without writing it: all its text is one byte a character. */
export function requestBytes(request: SipRequest): number {
  const { method, uri, headers, body } = request;
  let bytes = startLineBytes + method.length + uri.length;
  for (const { rawName, value } of headers) bytes += rawName.length + value.length + fieldBytes;
  bytes += lengthField.length + String(body.length).length + fieldBytes;
  return bytes + lineEndBytes + body.length;
}

import { isToken, skipWhitespace } from './grammar.ts';
import type { MessageLimits } from './limits.ts';
import { paramValue, parseParams } from './params.ts';
import { SipParseError } from './parse-error.ts';

/** `broken`: a boundary or a header is missing; `excessive`: parts within parts, or more of them, than the limits say. */
export type MultipartFault = 'broken' | 'excessive';

export type MultipartLimits = Pick<MessageLimits, 'maxMultipartDepth' | 'maxMultipartParts'>;

/** RFC 2046 §5.1.1. */
const maxBoundaryLength = 70;
const multipart = 'multipart/';

export function isMultipart(contentType: string): boolean {
  return contentType.slice(0, multipart.length).toLowerCase() === multipart;
}

/** Whether a body holds what its multipart Content-Type promises (RFC 2046 §5.1); undefined: it does. */
export function multipartFault(
  contentType: string,
  body: Uint8Array,
  limits: MultipartLimits,
): MultipartFault | undefined {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1');
  return faultIn(contentType, text, limits, { parts: 0 }, 1);
}

function faultIn(
  contentType: string,
  text: string,
  limits: MultipartLimits,
  count: { parts: number },
  depth: number,
): MultipartFault | undefined {
  if (depth > limits.maxMultipartDepth) return 'excessive';
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) return 'broken';
  const delimiter = `--${boundary}`;
  let at = nextDelimiter(text, delimiter, 0);
  // What stands before the first delimiter is nobody's.
  if (at < 0 || isLast(text, at, delimiter)) return 'broken';
  while (!isLast(text, at, delimiter)) {
    count.parts++;
    if (count.parts > limits.maxMultipartParts) return 'excessive';
    const partStart = text.indexOf('\r\n', at) + 2;
    const next = nextDelimiter(text, delimiter, partStart - 2);
    if (next < 0) return 'broken';
    const fault = faultOfPart(text.slice(partStart, Math.max(partStart, next - 2)), limits, count, depth);
    if (fault !== undefined) return fault;
    at = next;
  }
  return undefined;
}

function faultOfPart(
  part: string,
  limits: MultipartLimits,
  count: { parts: number },
  depth: number,
): MultipartFault | undefined {
  // Without header fields a part begins with its blank line, or is nothing at all.
  if (part === '' || part.startsWith('\r\n')) return undefined;
  const headersEnd = part.indexOf('\r\n\r\n');
  const head = headersEnd < 0 ? part : part.slice(0, headersEnd);
  let contentType: string | undefined;
  for (const line of head.replaceAll('\r\n ', '  ').replaceAll('\r\n\t', '  ').split('\r\n')) {
    const colonAt = line.indexOf(':');
    const name = line.slice(0, Math.max(colonAt, 0)).trimEnd();
    if (!isToken(name)) return 'broken';
    if (name.toLowerCase() === 'content-type') contentType ??= line.slice(colonAt + 1).trim();
  }
  if (contentType === undefined || !isMultipart(contentType)) return undefined;
  return faultIn(contentType, headersEnd < 0 ? '' : part.slice(headersEnd + 4), limits, count, depth + 1);
}

function boundaryOf(contentType: string): string | undefined {
  const paramsAt = contentType.indexOf(';');
  if (paramsAt < 0) return undefined;
  try {
    const boundary = paramValue(parseParams(contentType, paramsAt, contentType.length), 'boundary') ?? '';
    return boundary.length > 0 && boundary.length <= maxBoundaryLength ? boundary : undefined;
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}

/** Where the next line begins that is the delimiter, or the last one; -1 when there is none. */
function nextDelimiter(text: string, delimiter: string, from: number): number {
  for (let at = text.indexOf(delimiter, from); at >= 0; at = text.indexOf(delimiter, at + 1)) {
    const startsLine = at === 0 || (text[at - 2] === '\r' && text[at - 1] === '\n');
    if (startsLine && (isLast(text, at, delimiter) || endsLine(text, at + delimiter.length))) return at;
  }
  return -1;
}

function isLast(text: string, at: number, delimiter: string): boolean {
  return text.startsWith('--', at + delimiter.length);
}

/** Blanks behind the boundary are none of it. */
function endsLine(text: string, from: number): boolean {
  return text.startsWith('\r\n', skipWhitespace(text, from, text.length));
}

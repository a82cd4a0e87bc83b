import { SdpError } from './sdp-error.ts';

/** Where in the body of a SIP message its session description lies. */
export interface SdpPart {
  readonly start: number;
  readonly end: number;
}

/** Parts of a multipart body that are looked at, and how deep they may be nested (RFC 5621 §3). */
const maxParts = 32;
const maxDepth = 3;
const maxBoundaryLength = 70;

/**
 * The session description of a body: the whole of an `application/sdp` body, or the first such part of a multipart one
 * (RFC 5621). Undefined when there is none. Throws SdpError when a multipart body cannot be taken apart.
 */
export function findSdp(contentType: string | undefined, body: Uint8Array): SdpPart | undefined {
  if (contentType === undefined || body.length === 0) return undefined;
  const type = mediaType(contentType);
  if (type === 'application/sdp') return { start: 0, end: body.length };
  if (!type.startsWith('multipart/')) return undefined;
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1');
  return findInMultipart(contentType, text, 0, text.length, 1);
}

/** The description itself. */
export function sdpOf(contentType: string | undefined, body: Uint8Array): Uint8Array | undefined {
  const part = findSdp(contentType, body);
  return part && body.subarray(part.start, part.end);
}

/** The body with another description in the place of its own. */
export function withSdp(body: Uint8Array, part: SdpPart, sdp: Uint8Array): Uint8Array {
  if (part.start === 0 && part.end === body.length) return sdp;
  return Buffer.concat([body.subarray(0, part.start), sdp, body.subarray(part.end)]);
}

function findInMultipart(
  contentType: string,
  text: string,
  start: number,
  end: number,
  depth: number,
): SdpPart | undefined {
  const boundary = boundaryOf(contentType);
  if (boundary === undefined || depth > maxDepth) throw new SdpError('bad-multipart');
  const delimiter = `--${boundary}`;
  let at = delimiterLine(text, delimiter, start, end);
  for (let parts = 0; at >= 0; parts++) {
    if (parts > maxParts) throw new SdpError('bad-multipart');
    if (text.startsWith('--', at + delimiter.length)) return undefined;
    const partStart = text.indexOf('\n', at) + 1;
    const next = partStart === 0 ? -1 : delimiterLine(text, delimiter, partStart, end);
    if (next < 0) throw new SdpError('bad-multipart');
    // RFC 2046 §5.1.1: the line end before a delimiter belongs to the delimiter.
    const partEnd = next - (text.charCodeAt(next - 2) === 13 ? 2 : 1);
    const found = findInPart(text, partStart, partEnd, depth);
    if (found !== undefined) return found;
    at = next;
  }
  throw new SdpError('bad-multipart');
}

function findInPart(text: string, start: number, end: number, depth: number): SdpPart | undefined {
  let contentType: string | undefined;
  let at = start;
  while (at < end) {
    const lineFeed = text.indexOf('\n', at);
    if (lineFeed < 0 || lineFeed >= end) return undefined;
    let line = text.slice(at, lineFeed).trimEnd();
    at = lineFeed + 1;
    if (line === '') break;
    // RFC 5322 §2.2.3: a line that begins with a blank goes on with the one before.
    while (at < end && (text[at] === ' ' || text[at] === '\t')) {
      const next = text.indexOf('\n', at);
      if (next < 0 || next >= end) return undefined;
      line += text.slice(at, next).trimEnd();
      at = next + 1;
    }
    const colon = line.indexOf(':');
    if (line.slice(0, colon).trim().toLowerCase() === 'content-type') contentType = line.slice(colon + 1);
  }
  if (contentType === undefined || at >= end) return undefined;
  const type = mediaType(contentType);
  if (type === 'application/sdp') return { start: at, end };
  return type.startsWith('multipart/') ? findInMultipart(contentType, text, at, end, depth + 1) : undefined;
}

/** Another boundary may begin with the same characters: the line ends there, or it is the last one (RFC 2046 §5.1.1). */
function delimiterLine(text: string, prefix: string, start: number, end: number): number {
  for (let at = start; ; at++) {
    at = text.indexOf(prefix, at);
    if (at < 0 || at + prefix.length > end) return -1;
    const behind = text.charAt(at + prefix.length);
    const complete = behind === '' || '\r\n \t'.includes(behind) || text.startsWith('--', at + prefix.length);
    if (complete && (at === start || text.charCodeAt(at - 1) === 10)) return at;
  }
}

function mediaType(contentType: string): string {
  const semicolon = contentType.indexOf(';');
  return (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
}

function boundaryOf(contentType: string): string | undefined {
  for (const parameter of contentType.split(';').slice(1)) {
    const equals = parameter.indexOf('=');
    if (parameter.slice(0, equals).trim().toLowerCase() !== 'boundary') continue;
    const value = parameter.slice(equals + 1).trim();
    const bare = value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    return bare === '' || bare.length > maxBoundaryLength ? undefined : bare;
  }
  return undefined;
}

import { isIP } from 'node:net';
import type { Attribute, Connection, MediaSection, SessionDescription, Span } from './description.ts';
import { defaultSdpLimits, type SdpLimits } from './limits.ts';
import { SdpError } from './sdp-error.ts';

/** RFC 8866 §5: the letters that a line may begin with. */
const knownTypes = 'vosiuepcbtrzkam';
const maxPort = 65_535;
/** No phone needs more pairs of ports for one stream. */
const maxPortCount = 64;
const maxNameLength = 255;

/** Under construction. */
interface Section {
  readonly line: Omit<MediaSection, 'connection' | 'attributes' | 'connectionAt' | 'end'> | undefined;
  connection: Connection | undefined;
  readonly attributes: Attribute[];
  connectionAt: number;
}

/**
 * Reads a session description as far as media depends on it (RFC 8866). Written by a phone: throws SdpError beyond the
 * limits and on whatever could be read in two ways. Lines may end with a bare line feed (§5).
 */
export function parseSdp(body: Uint8Array, limits: SdpLimits = defaultSdpLimits): SessionDescription {
  if (body.length > limits.maxBytes) throw new SdpError('too-large');
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1');
  const session: Section = { line: undefined, connection: undefined, attributes: [], connectionAt: 0 };
  const media: MediaSection[] = [];
  let section = session;
  let lines = 0;
  for (let start = 0; start < text.length; ) {
    const lineFeed = text.indexOf('\n', start);
    const next = lineFeed < 0 ? text.length : lineFeed + 1;
    const end = contentEnd(text, start, lineFeed < 0 ? text.length : lineFeed);
    if (++lines > limits.maxLines) throw new SdpError('too-many-lines');
    const type = typeOf(text, start, end);
    if ((lines === 1) !== (type === 'v')) throw new SdpError('bad-version');
    if (lines === 1 && text.slice(start, end) !== 'v=0') throw new SdpError('bad-version');
    if (type === 'm') {
      if (section !== session) media.push(finished(section, start));
      if (media.length >= limits.maxMedia) throw new SdpError('too-many-media');
      const line = parseMediaLine(text, start + 2, end);
      section = { line, connection: undefined, attributes: [], connectionAt: next };
    } else readLine(section, text, type, { start, end: next }, end);
    start = next;
  }
  if (lines === 0) throw new SdpError('bad-version');
  if (section !== session) media.push(finished(section, text.length));
  const { connection, attributes } = session;
  const description: SessionDescription = { text, lineEnd: lineEndOf(text), connection, attributes, media };
  const lacksConnection = ({ port, connection: own }: MediaSection): boolean =>
    port !== 0 && own === undefined && connection === undefined;
  if (media.some(lacksConnection)) throw new SdpError('no-connection');
  return description;
}

function readLine(section: Section, text: string, type: string, span: Span, end: number): void {
  const valueStart = span.start + 2;
  if (type === 'c') {
    // RFC 8866 §5.7: several of them only spread layers over multicast groups.
    if (section.connection !== undefined) throw new SdpError('bad-connection');
    section.connection = parseConnection(text.slice(valueStart, end), span);
  } else if (type === 'a') {
    const value = text.slice(valueStart, end);
    const colon = value.indexOf(':');
    const name = colon < 0 ? value : value.slice(0, colon);
    if (name === '') throw new SdpError('bad-attribute');
    section.attributes.push({ span, name, value: colon < 0 ? '' : value.slice(colon + 1) });
  } else if (type === 'i') section.connectionAt = span.end;
}

/** Where the line's text ends; nothing in it may be taken for a line end by somebody else. */
function contentEnd(text: string, start: number, lineFeed: number): number {
  const end = lineFeed > start && text.charCodeAt(lineFeed - 1) === 13 ? lineFeed - 1 : lineFeed;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === 13 || code === 0) throw new SdpError('bad-line');
  }
  return end;
}

function typeOf(text: string, start: number, end: number): string {
  const type = text.charAt(start);
  if (end - start < 2 || text.charCodeAt(start + 1) !== 61 || !knownTypes.includes(type))
    throw new SdpError('bad-line');
  return type;
}

function lineEndOf(text: string): '\r\n' | '\n' {
  return text.charCodeAt(text.indexOf('\n') - 1) === 13 ? '\r\n' : '\n';
}

/** `IN IP4 192.0.2.1/127/3` */
function parseConnection(value: string, span: Span): Connection {
  const [net, addressType, written = '', ...rest] = value.trimEnd().split(' ');
  const family = addressType === 'IP4' ? 4 : addressType === 'IP6' ? 6 : undefined;
  if (net !== 'IN' || family === undefined || rest.length > 0) throw new SdpError('bad-connection');
  const slash = written.indexOf('/');
  const address = slash < 0 ? written : written.slice(0, slash);
  const kind = isIP(address);
  if (kind === 0 ? !isHostName(address) : kind !== family) throw new SdpError('bad-connection');
  return { span, family, address };
}

function isHostName(text: string): boolean {
  if (text === '' || text.length > maxNameLength) return false;
  let digitsOnly = true;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const letter = (code >= 97 && code <= 122) || (code >= 65 && code <= 90);
    if (letter) digitsOnly = false;
    else if (!(code >= 48 && code <= 57) && code !== 45 && code !== 46) return false;
  }
  // What looks like an address but is none must not pass for a name.
  return !digitsOnly;
}

/** `audio 49170/2 RTP/AVP 0 8`; `at` is behind `m=`. */
function parseMediaLine(text: string, at: number, end: number): NonNullable<Section['line']> {
  const [kind = '', port = '', protocol = '', ...formats] = text.slice(at, end).trimEnd().split(' ');
  if (kind === '' || protocol === '' || formats.length === 0 || formats.includes(''))
    throw new SdpError('bad-media');
  const portStart = at + kind.length + 1;
  const slash = port.indexOf('/');
  return {
    kind,
    port: decimal(slash < 0 ? port : port.slice(0, slash), maxPort),
    portCount: slash < 0 ? 1 : decimal(port.slice(slash + 1), maxPortCount),
    portSpan: { start: portStart, end: portStart + port.length },
    protocol,
    formats,
  };
}

function decimal(digits: string, max: number): number {
  if (digits === '' || digits.length > 5) throw new SdpError('bad-media');
  let value = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) throw new SdpError('bad-media');
    value = value * 10 + digit;
  }
  if (value > max) throw new SdpError('bad-media');
  return value;
}

function finished({ line, connection, attributes, connectionAt }: Section, end: number): MediaSection {
  if (line === undefined) throw new SdpError('bad-media');
  return { ...line, connection, attributes, connectionAt, end };
}

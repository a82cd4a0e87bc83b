import {
  type Attribute,
  addressKind,
  attributeOf,
  type Connection,
  connectionOf,
  directionOf,
  type Edit,
  hasAttribute,
  type MediaSection,
  type SessionDescription,
  splice,
} from '../sdp/index.ts';
import { clockRatesOf } from './clock-rates.ts';
import type { Source } from './latch.ts';
import { packetKinds } from './packet.ts';
import type { PortPair, StreamSetup } from './protocol.ts';

const { rtp, rtcp, stun, dtls, other } = packetKinds;

/** What a transport protocol (RFC 8866 §5.14) lets through; others, such as TCP/MSRP, are not ours to carry. */
const kindsByProtocol: Readonly<Record<string, number>> = {
  'RTP/AVP': rtp,
  'RTP/AVPF': rtp,
  'RTP/SAVP': rtp,
  'RTP/SAVPF': rtp,
  'UDP/TLS/RTP/SAVP': rtp | dtls,
  'UDP/TLS/RTP/SAVPF': rtp | dtls,
  'UDP/DTLS/SCTP': dtls,
  // T.38 (RFC 7345 §4 calls it by both writings): looks like nothing in particular.
  udptl: rtp | rtcp | other,
  UDPTL: rtp | rtcp | other,
};

/** RFC 8839: what a description says of ways that lead around the relay. */
const iceAttributes = new Set([
  'candidate',
  'remote-candidates',
  'end-of-candidates',
  'ice-ufrag',
  'ice-pwd',
  'ice-options',
  'ice-lite',
  'ice-pacing',
  'ice-mismatch',
]);
/** Of these the relay puts its own in their place, or none, where it lets ICE through. */
const pathAttributes = new Set(['candidate', 'remote-candidates', 'ice-options']);

/** RFC 8445 §5.1.2.1 for the only candidate there is: type preference 126. */
const candidatePriority = { rtp: 2_130_706_431, rtcp: 2_130_706_430 } as const;

/** What the relay has to do with a description. */
export interface AnchorPlan {
  readonly description: SessionDescription;
  readonly streams: readonly StreamSetup[];
  /**
   * Both ends check connectivity through the relay, which is the only candidate that they see of each other. Only for
   * DTLS: browsers do not go without ICE, and others are better off without.
   */
  readonly ice: boolean;
}

export function planAnchor(description: SessionDescription): AnchorPlan {
  const anchored = description.media.flatMap((section, index) =>
    isAnchored(section) ? [{ section, index }] : [],
  );
  const ice = anchored.some(
    ({ section }) => (kindsOf(section) & dtls) !== 0 && hasAttribute(description, section, 'ice-ufrag'),
  );
  const streams = anchored.map(({ section, index }) => setupOf(description, section, index, ice));
  return { description, streams, ice };
}

/** The description with our ports and address in the place of the sender's; all else as it came. */
export function anchored(
  plan: AnchorPlan,
  address: string,
  ports: readonly (PortPair | undefined)[],
): Uint8Array {
  const { description, ice } = plan;
  const edits: Edit[] = [];
  const connection = `c=IN ${address.includes(':') ? 'IP6' : 'IP4'} ${address}${description.lineEnd}`;
  const session = description.connection;
  const sharedBy = description.media.filter(
    (section) => section.connection === undefined && section.port !== 0,
  );
  const replacesShared =
    session !== undefined && sharedBy.some((section) => isAnchored(section)) && !isHold(session, ice);
  if (replacesShared) edits.push({ span: session.span, text: connection });
  removeAttributes(description.attributes, ice, edits);
  description.media.forEach((section, index) => {
    const pair = ports[index];
    if (pair === undefined) {
      // What is not ours keeps the address that it had of the session.
      if (replacesShared && section.port !== 0 && section.connection === undefined)
        edits.push({
          span: { start: section.connectionAt, end: section.connectionAt },
          text: description.text.slice(session.span.start, session.span.end),
        });
      return;
    }
    const { connection: own } = section;
    if (own !== undefined && !isHold(own, ice)) edits.push({ span: own.span, text: connection });
    edits.push({ span: section.portSpan, text: String(pair.rtp) });
    editAttributes(description, section, pair, address, ice, edits);
  });
  return Buffer.from(splice(description.text, edits), 'latin1');
}

/** A description that has nothing for the relay in it: no media, or all of it refused or of another kind. */
export function isAnchored(section: MediaSection): boolean {
  return section.port !== 0 && kindsOf(section) !== 0;
}

function kindsOf({ protocol }: MediaSection): number {
  return kindsByProtocol[protocol] ?? 0;
}

function setupOf(
  description: SessionDescription,
  section: MediaSection,
  index: number,
  ice: boolean,
): StreamSetup {
  const kinds = kindsOf(section) | (ice ? stun : 0);
  const hasRtcp = (kinds & rtp) !== 0;
  const mux = attributeOf(section.attributes, 'rtcp-mux') !== undefined;
  const connection = connectionOf(description, section);
  const place = placeOf(connection, section.port);
  const hold = connection !== undefined && isHold(connection, ice);
  return {
    index,
    kind: section.kind,
    rtpKinds: mux ? kinds | rtcp : kinds,
    rtcpKinds: hasRtcp ? (kinds & ~rtp) | rtcp : 0,
    rtp: place,
    rtcp: mux ? place : rtcpPlace(section, connection, place),
    held: hold || directionOf(description, section) !== 'sendrecv',
    clockRates: clockRatesOf(section),
  };
}

/** Undefined for what nothing can be sent to: a name, a hold, a group. */
function placeOf(connection: Connection | undefined, port: number): Source | undefined {
  if (connection === undefined) return undefined;
  const { address } = connection;
  const kind = addressKind(address);
  return kind === 'unicast' || kind === 'loopback' || kind === 'link-local' ? { address, port } : undefined;
}

/** RFC 3605: `a=rtcp:53020 IN IP4 126.16.64.4`; without it the next port. */
function rtcpPlace(
  section: MediaSection,
  connection: Connection | undefined,
  place: Source | undefined,
): Source | undefined {
  const value = attributeOf(section.attributes, 'rtcp');
  if (value === undefined) return place && { ...place, port: Math.min(place.port + 1, 65_535) };
  const [portText = '', , addressType, address] = value.trim().split(' ');
  const port = Number(portText);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  if (address === undefined || connection === undefined) return place && { ...place, port };
  return placeOf({ ...connection, family: addressType === 'IP6' ? 6 : 4, address }, port);
}

/** RFC 2543's way to put a call on hold, which RFC 3264 §8.4 keeps alive; with ICE it only means "not yet known". */
function isHold({ address }: Connection, ice: boolean): boolean {
  return !ice && addressKind(address) === 'unspecified';
}

function editAttributes(
  description: SessionDescription,
  section: MediaSection,
  pair: PortPair,
  address: string,
  ice: boolean,
  edits: Edit[],
): void {
  const { lineEnd } = description;
  const own = ice ? candidates(section, pair, address, lineEnd) : '';
  let placed = own === '';
  for (const { span, name, value } of section.attributes) {
    if (name === 'rtcp') {
      const written = value.trim().includes(' ')
        ? `${pair.rtcp} IN ${address.includes(':') ? 'IP6' : 'IP4'} ${address}`
        : String(pair.rtcp);
      edits.push({ span, text: `a=rtcp:${written}${lineEnd}` });
    } else if (isRemoved(name, ice)) {
      edits.push({ span, text: placed || name !== 'candidate' ? '' : own });
      if (name === 'candidate') placed = true;
    } else if (name === 'altc') edits.push({ span, text: '' });
  }
  if (placed) return;
  const endsLine = description.text.charCodeAt(section.end - 1) === 10;
  edits.push({ span: { start: section.end, end: section.end }, text: endsLine ? own : lineEnd + own });
}

function removeAttributes(attributes: readonly Attribute[], ice: boolean, edits: Edit[]): void {
  for (const { span, name } of attributes) if (isRemoved(name, ice)) edits.push({ span, text: '' });
}

function isRemoved(name: string, ice: boolean): boolean {
  return ice ? pathAttributes.has(name) : iceAttributes.has(name);
}

function candidates(
  section: MediaSection,
  { rtp, rtcp }: PortPair,
  address: string,
  lineEnd: string,
): string {
  const line = (component: number, priority: number, port: number): string =>
    `a=candidate:relay ${component} udp ${priority} ${address} ${port} typ host${lineEnd}`;
  const first = line(1, candidatePriority.rtp, rtp);
  const single =
    section.protocol === 'UDP/DTLS/SCTP' || attributeOf(section.attributes, 'rtcp-mux') !== undefined;
  return single ? first : first + line(2, candidatePriority.rtcp, rtcp);
}

import { isIPv6 } from 'node:net';
import type { MediaParty, MediaPeer } from '../engine.ts';
import { canonicalAddress, hasAttribute, type SessionDescription } from '../sdp/index.ts';
import type { NgParameters } from './ng-message.ts';

/** How a party carries media: as browsers do (RFC 8834: ICE, DTLS-SRTP, one port for RTP and RTCP), or as phones do. */
export type MediaStyle = 'webrtc' | 'plain';

/** By what a party has written itself. */
export function styleOf(description: SessionDescription): MediaStyle {
  const webrtc = description.media.some(
    (section) =>
      section.protocol.startsWith('UDP/TLS/RTP/SAVP') && hasAttribute(description, section, 'ice-ufrag'),
  );
  return webrtc ? 'webrtc' : 'plain';
}

/** Of a party that has written nothing yet: what registers over a WebSocket is taken for a browser. */
export function likelyStyle({ transport, trusted }: MediaPeer): MediaStyle {
  return !trusted && (transport === 'ws' || transport === 'wss') ? 'webrtc' : 'plain';
}

/** One description on its way, with what is known of both ends. */
export interface PlannedExchange {
  readonly session: string;
  readonly from: MediaParty;
  readonly answer: boolean;
  /** The session has been answered once: rtpengine knows both parties. */
  readonly established: boolean;
  readonly sdp: Uint8Array;
  readonly sender: MediaPeer;
  readonly receiver: MediaPeer;
  readonly senderStyle: MediaStyle;
  readonly receiverStyle: MediaStyle;
  /** More flags for every call, from the configuration. */
  readonly flags: readonly string[];
}

/** What rtpengine is told with a description. */
export function exchangeParameters(exchange: PlannedExchange): NgParameters {
  const { session, from, answer, established, sdp, sender, receiver, flags } = exchange;
  const observed = canonicalAddress(sender.observed);
  const other: MediaParty = from === 'caller' ? 'callee' : 'caller';
  return {
    'call-id': session,
    // The offerer's, in an answer too.
    'from-tag': answer ? other : from,
    ...(answer ? { 'to-tag': from } : established ? { 'to-tag': other } : {}),
    sdp: Buffer.from(sdp.buffer, sdp.byteOffset, sdp.byteLength).toString('latin1'),
    flags: [...sourceFlags(sender), ...flags],
    'received from': [isIPv6(observed) ? 'IP6' : 'IP4', observed],
    'address family': isIPv6(canonicalAddress(receiver.observed)) ? 'IP6' : 'IP4',
    replace: ['origin', 'session connection'],
    supports: ['load limit'],
    ...styleParameters(exchange),
  };
}

/**
 * While a source is learned (three seconds), the address that signalling comes from wins over every other; afterwards
 * no other is let in. As a key of its own, `endpoint-learning` is ignored by the older versions.
 */
function sourceFlags({ trusted }: MediaPeer): readonly string[] {
  return ['strict source', 'endpoint-learning-heuristic', trusted ? 'trust address' : 'SIP source address'];
}

function styleParameters({ answer, senderStyle, receiverStyle }: PlannedExchange): NgParameters {
  const toBrowser = receiverStyle === 'webrtc';
  const fromBrowser = senderStyle === 'webrtc';
  if (!toBrowser && !fromBrowser) return { ICE: 'remove' };
  const ice = { ICE: toBrowser ? 'force' : 'remove' };
  // What an answer is to be like stands in the offer that it answers.
  if (answer) return ice;
  return {
    ...ice,
    // RFC 8445 §2.5: a lite agent answers checks and sends none, so it knocks at nobody's door.
    'ICE-lite': toBrowser && fromBrowser ? 'both' : toBrowser ? 'forward' : 'backward',
    'transport-protocol': toBrowser ? 'UDP/TLS/RTP/SAVPF' : 'RTP/AVP',
    'rtcp-mux': [toBrowser ? 'require' : 'demux'],
    SDES: ['off'],
    // The browser begins the handshake, once ICE has found the way.
    DTLS: 'passive',
    'DTLS-reverse': 'passive',
  };
}

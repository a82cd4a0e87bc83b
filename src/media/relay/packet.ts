/** What a datagram on a media port looks like; a bit each, so that what a stream lets in is one number. */
export const packetKinds = { rtp: 1, rtcp: 2, stun: 4, dtls: 8, other: 16 } as const;

const { rtp, rtcp, stun, dtls, other } = packetKinds;
const stunCookie = 0x2112a442;
const stunHeaderLength = 20;
const rtpHeaderLength = 12;
const rtcpHeaderLength = 8;
const dtlsHeaderLength = 13;

/**
 * RFC 7983 §7 by the first byte, and then by what a packet of that kind must hold: lengths that fit, version 2, the
 * magic cookie. `other` for what is none of them. `packet` is anything that anybody sent.
 */
export function packetKind(packet: Uint8Array): number {
  const first = packet[0] ?? 0xff;
  if (first >= 128 && first < 192) return rtpOrRtcp(packet);
  if (first < 4) return isStun(packet) ? stun : other;
  if (first >= 20 && first < 64) return isDtls(packet) ? dtls : other;
  return other;
}

/** RFC 5761 §4: packet types 192 to 223 are RTCP. */
function rtpOrRtcp(packet: Uint8Array): number {
  const second = packet[1] ?? 0;
  if (second >= 192 && second <= 223) return isRtcp(packet) ? rtcp : other;
  return isRtp(packet) ? rtp : other;
}

/** RFC 3550 §A.1: version 2, and room for the header with its CSRC list and extension. */
function isRtp(packet: Uint8Array): boolean {
  const first = packet[0] ?? 0;
  let headerLength = rtpHeaderLength + (first & 0x0f) * 4;
  if ((first & 0x10) !== 0) headerLength += 4 + uint16(packet, headerLength + 2) * 4;
  return packet.length >= headerLength;
}

/** RFC 3550 §A.2, as far as SRTCP leaves it readable: the first packet of the compound fits. */
function isRtcp(packet: Uint8Array): boolean {
  return packet.length >= rtcpHeaderLength && packet.length >= (uint16(packet, 2) + 1) * 4;
}

/** RFC 8489 §5. */
function isStun(packet: Uint8Array): boolean {
  return (
    packet.length >= stunHeaderLength &&
    uint32(packet, 4) === stunCookie &&
    uint16(packet, 2) === packet.length - stunHeaderLength
  );
}

/** RFC 9147 §4: the first record fits, and is one of DTLS 1.0 to 1.2 or a DTLS 1.3 record with its short header. */
function isDtls(packet: Uint8Array): boolean {
  if (((packet[0] ?? 0) & 0xe0) === 0x20) return packet.length > 1;
  return (
    packet.length >= dtlsHeaderLength &&
    packet[1] === 254 &&
    packet.length >= dtlsHeaderLength + uint16(packet, 11)
  );
}

export function uint16(packet: Uint8Array, at: number): number {
  return ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0);
}

export function uint32(packet: Uint8Array, at: number): number {
  return uint16(packet, at) * 0x1_0000 + uint16(packet, at + 2);
}

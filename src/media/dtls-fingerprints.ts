const attribute = 'a=fingerprint:';
const maxFingerprints = 32;

/**
 * The DTLS certificate fingerprints that a session description announces (RFC 8122 §5), as
 * `sha-256 AB:CD:…` with lower-case hash name and upper-case hexadecimal; none when the body is not SDP.
 * Controlled by the caller's phone: at most 32 are read, the rest of the body is not looked at.
 */
export function dtlsFingerprints(contentType: string | undefined, body: Uint8Array): readonly string[] {
  if (body.length === 0 || !isSdp(contentType)) return [];
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1');
  const found: string[] = [];
  for (let at = text.indexOf(attribute); at >= 0 && found.length < maxFingerprints; ) {
    const start = at + attribute.length;
    const lineEnd = text.indexOf('\n', start);
    const value = text.slice(start, lineEnd < 0 ? text.length : lineEnd).trim();
    const space = value.indexOf(' ');
    if (space > 0 && startsLine(text, at)) {
      found.push(
        `${value.slice(0, space).toLowerCase()} ${value
          .slice(space + 1)
          .trim()
          .toUpperCase()}`,
      );
    }
    at = text.indexOf(attribute, start);
  }
  return found;
}

function startsLine(text: string, at: number): boolean {
  return at === 0 || text.charCodeAt(at - 1) === 10;
}

function isSdp(contentType: string | undefined): boolean {
  if (contentType === undefined) return false;
  const semicolon = contentType.indexOf(';');
  const type = semicolon < 0 ? contentType : contentType.slice(0, semicolon);
  return type.trim().toLowerCase() === 'application/sdp';
}

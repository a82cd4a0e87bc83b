import { createHash } from 'node:crypto';
import { SdpError, sdpOf } from './sdp/index.ts';

/** Keys that are read of one description; the rest of the body is not looked at. */
const maxKeys = 32;

/**
 * What the media of a message is to be protected with, each as a hash name and upper-case hexadecimal: the DTLS
 * certificate fingerprints that its session description announces (RFC 8122 §5), `sha-256 AB:CD:…`, and of each SDES
 * key (RFC 4568 §4) the SHA-256, `sdes ABCD…`, never the key. None when the body holds no description.
 */
export function mediaKeys(contentType: string | undefined, body: Uint8Array): readonly string[] {
  const sdp = descriptionOf(contentType, body);
  if (sdp === undefined) return [];
  const text = Buffer.from(sdp.buffer, sdp.byteOffset, sdp.byteLength).toString('latin1');
  return [...linesOf(text, 'a=fingerprint:', fingerprintOf), ...linesOf(text, 'a=crypto:', sdesHashOf)];
}

function descriptionOf(contentType: string | undefined, body: Uint8Array): Uint8Array | undefined {
  try {
    return sdpOf(contentType, body);
  } catch (error) {
    if (error instanceof SdpError) return undefined;
    throw error;
  }
}

function linesOf(
  text: string,
  attribute: string,
  read: (value: string) => string | undefined,
): readonly string[] {
  const found: string[] = [];
  for (let at = text.indexOf(attribute); at >= 0 && found.length < maxKeys; ) {
    const start = at + attribute.length;
    const lineEnd = text.indexOf('\n', start);
    if (at === 0 || text.charCodeAt(at - 1) === 10) {
      const key = read(text.slice(start, lineEnd < 0 ? text.length : lineEnd).trim());
      if (key !== undefined) found.push(key);
    }
    at = text.indexOf(attribute, start);
  }
  return found;
}

function fingerprintOf(value: string): string | undefined {
  const space = value.indexOf(' ');
  if (space <= 0) return undefined;
  return `${value.slice(0, space).toLowerCase()} ${value
    .slice(space + 1)
    .trim()
    .toUpperCase()}`;
}

/** `1 AES_CM_128_HMAC_SHA1_80 inline:…`: what stands behind the tag, which numbers the lines of an offer. */
function sdesHashOf(value: string): string | undefined {
  const space = value.indexOf(' ');
  if (space <= 0) return undefined;
  const key = Buffer.from(value.slice(space + 1).trim(), 'latin1');
  return `sdes ${createHash('sha256').update(key).digest('hex').toUpperCase()}`;
}

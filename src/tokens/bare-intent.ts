import { decodeBase64Url, encodeBase64Url } from '../base/index.ts';
import { encodeCbor } from './cbor-encoder.ts';
import { encodeSign1Parts } from './cose.ts';
import type { IntentToken } from './intent-token.ts';

/** Enough of the header value to see past a protected header of ordinary length. */
const lookAheadCharacters = 512;
const emptyMap = 0xa0;

/**
 * Whether anything unsigned came along with a token, told from its first bytes: the tag, the array, the protected
 * header's length, and then the unprotected map. True when in doubt.
 */
export function carriesMore(headerValue: string): boolean {
  const start = decodeBase64Url(headerValue.slice(0, Math.min(headerValue.length, lookAheadCharacters) & ~3));
  const [, , lead, length] = start ?? [];
  const offset = lead === 0x58 ? 4 + (length ?? 0) : lead === undefined ? 0 : 3 + (lead & 0x1f);
  return start?.[offset] !== emptyMap;
}

/** The same signed token without what came along: what goes on to somebody who is not to know more than was signed. */
export function bareIntentToken({ sign1 }: IntentToken): string {
  return encodeBase64Url(
    encodeSign1Parts(encodeCbor(sign1.protectedMap), new Map(), sign1.payload, sign1.signature),
  );
}

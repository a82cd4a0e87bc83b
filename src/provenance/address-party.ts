import { encodeBase32 } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import { sha256 } from './digest.ts';

const context = 'tibet-sip/address-party/v1\n';

/**
 * What the log knows a party by that has no identity: a number behind a trunk, an address elsewhere. So it has a key
 * of its own, its records are numbered, and it can be erased. Of a number its digits count, whoever's gateway stands
 * behind it; of other addresses `user@host`. Stands only where the address itself stands, never in a public leaf.
 */
export function addressParty(address: string): Fingerprint {
  const bare = withoutScheme(address);
  const at = bare.indexOf('@');
  const user = at < 0 ? bare : bare.slice(0, at);
  return encodeBase32(sha256(Buffer.from(context + (dialledDigits(user) ?? bare.toLowerCase()))));
}

function withoutScheme(address: string): string {
  for (const scheme of ['sip:', 'sips:', 'tel:'])
    if (address.startsWith(scheme)) return address.slice(scheme.length);
  return address;
}

/** What a telephone's keys can dial, without the + and the visual separators of RFC 3966 §5.1.1; else undefined. */
function dialledDigits(text: string): string | undefined {
  let digits = '';
  for (let at = text.startsWith('+') ? 1 : 0; at < text.length; at++) {
    const key = text.charAt(at);
    if ('0123456789*#'.includes(key)) digits += key;
    else if (!'-.()'.includes(key)) return undefined;
  }
  return digits === '' ? undefined : digits;
}

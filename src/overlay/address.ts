import { type Fingerprint, isFingerprint, jisPrefix, nameOfSipUser } from '../tokens/index.ts';

/** What an address can be; aliases go before bare names, or anybody could take an extension by enrolling it. */
export type Address =
  | { readonly kind: 'fingerprint'; readonly fingerprint: Fingerprint }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'alias-or-name'; readonly alias: string; readonly name: string | undefined };

const maxAliasLength = 32;
const maxAddressLength = 256;

/**
 * Reads a fingerprint, a whole name (`jis:alice`, `mail:…`, `did:…`), an alias (extension, E.164 number) or a bare
 * name as it stands in a SIP user part (`alice`, `laptop%3Ajasper`). Undefined for what nobody can be called.
 */
export function parseAddress(text: string): Address | undefined {
  if (text.length === 0 || text.length > maxAddressLength) return undefined;
  if (isFingerprint(text)) return { kind: 'fingerprint', fingerprint: text };
  const bare = nameOfSipUser(text)?.text;
  if (isAlias(text)) return { kind: 'alias-or-name', alias: text, name: bare };
  if (text.startsWith(jisPrefix) || (bare === undefined && text.includes(':')))
    return { kind: 'name', name: text };
  return bare === undefined ? undefined : { kind: 'name', name: bare };
}

/** An extension (digits, * and #) or an E.164 number with its +. */
export function isAlias(text: string): boolean {
  if (text.length === 0 || text.length > maxAliasLength) return false;
  for (let i = text.charCodeAt(0) === 0x2b ? 1 : 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const digit = code >= 0x30 && code <= 0x39;
    if (!digit && code !== 0x2a && code !== 0x23) return false;
  }
  return text !== '+';
}

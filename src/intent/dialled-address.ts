import { parseUri, SipParseError, type SipUri, type Uri, unescapeUri, utf8Text } from '../sip/index.ts';

/** What people put before a name; to the grammar of SIP a user, whose password the name would be. */
const nameSchemes: readonly (string | undefined)[] = ['jis', 'did'];

/** The URI in `text`, or undefined when it is none: a malformed address is a stranger's, not our failure. */
export function readUri(text: string): Uri | undefined {
  try {
    return withWholeName(parseUri(text));
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}

/** `sip:jis:bob@host` is what a phone makes of a dialled `jis:bob`: nobody is called `jis` and shows a password. */
function withWholeName(uri: Uri): Uri {
  if ((uri.scheme !== 'sip' && uri.scheme !== 'sips') || uri.password === undefined) return uri;
  if (!nameSchemes.includes(uri.user)) return uri;
  return { ...uri, user: `${uri.user}%3A${uri.password}`, password: undefined };
}

/** Whom a user part names, in the spelling of people: escapes are UTF-8 (RFC 3261 §25.1). */
export function dialledUser(user: string): string {
  return utf8Text(unescapeUri(user));
}

/**
 * The address that a person dialled, in the one spelling that intent tokens hash: `user@host`, host in lower case,
 * without port and parameters; for tel: and other URIs the text as it stands.
 */
export function addressOf(uri: string | SipUri): string {
  const parsed = typeof uri === 'string' ? readUri(uri) : uri;
  if (parsed?.scheme === 'sip' || parsed?.scheme === 'sips')
    return parsed.user === undefined ? parsed.host : `${parsed.user}@${parsed.host}`;
  return typeof uri === 'string' ? uri : '';
}

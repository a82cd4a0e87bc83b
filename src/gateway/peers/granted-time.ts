import { readUri } from '../../intent/index.ts';
import {
  headerValue,
  parseDeltaSeconds,
  readContacts,
  SipParseError,
  type SipResponse,
  unescapeUri,
} from '../../sip/index.ts';

/** For how long a registrar has bound the contact with this user part; never longer than was asked for. */
export function grantedSeconds(response: SipResponse, user: string, askedSeconds: number): number {
  const common = parseDeltaSeconds(headerValue(response, 'expires') ?? '');
  const granted = boundContact(response, user)?.expires ?? common ?? askedSeconds;
  return Math.max(1, Math.min(granted, askedSeconds));
}

/** What a 200 to a REGISTER says of the contact with this user part; undefined when it is not bound. */
export function boundContact(
  response: SipResponse,
  user: string,
): { readonly expires: number | undefined } | undefined {
  try {
    const contacts = readContacts(response);
    if (contacts === '*') return undefined;
    return contacts.find(({ address }) => {
      const uri = readUri(address.uri);
      return (uri?.scheme === 'sip' || uri?.scheme === 'sips') && unescapeUri(uri.user ?? '') === user;
    });
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}

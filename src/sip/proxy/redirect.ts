import { readContacts, SipParseError, type SipResponse } from '../message/index.ts';

/** A 3xx with more Contacts than this is not followed any further. */
const maxContacts = 10;

/** The Contact URIs of a 3xx, best first (RFC 3261 §16.5, §8.1.3.4); none when they cannot be read. */
export function redirectContacts(response: SipResponse): readonly string[] {
  try {
    const contacts = readContacts(response);
    if (contacts === '*') return [];
    return [...contacts]
      .sort((a, b) => (b.qValue ?? 1000) - (a.qValue ?? 1000))
      .slice(0, maxContacts)
      .map(({ address }) => address.uri);
  } catch (error) {
    if (error instanceof SipParseError) return [];
    throw error;
  }
}

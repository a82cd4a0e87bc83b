import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  defaultMessageLimits,
  headerItems,
  parseMessage,
  parseUri,
  parseVia,
  readContacts,
  type SipRequest,
  serializeMessage,
} from '../../../src/sip/message/index.ts';
import { parseRequest } from './messages.ts';
import { parseErrorOf } from './parse-errors.ts';

/**
 * The archive has LF line ends, lacks two blank lines, and counts a body that it does not have in one message: see
 * test/vectors/rfc5118/README.md.
 */
function read(name: string): SipRequest {
  const text = readFileSync(new URL(`../../vectors/rfc5118/${name}.dat`, import.meta.url), 'latin1');
  const complete = (text.includes('\n\n') ? text : `${text}\n`).replaceAll('\n', '\r\n');
  const bodyBytes = complete.length - complete.indexOf('\r\n\r\n') - 4;
  return parseRequest(
    Buffer.from(complete.replace(/Content-Length: \d+/, `Content-Length: ${bodyBytes}`), 'latin1'),
  );
}

const valid = [
  'ipv6-good',
  'port-ambiguous',
  'port-unambiguous',
  'via-received-param-with-delim',
  'via-received-param-no-delim',
  'ipv6-in-sdp',
  'mult-ip-in-header',
  'mult-ip-in-sdp',
  'ipv4-mapped-ipv6',
  'ipv6-bug-abnf-3-colons',
  'ipv6-correct-abnf-2-colons',
];

describe('RFC 5118: IPv6 torture messages', () => {
  it.each(valid)('%s is read, with its URIs and Vias, and written again', (name) => {
    const message = read(name);
    expect(parseUri(message.uri).scheme).toBe('sip');
    expect(parseUri(message.to.uri).scheme).toBe('sip');
    for (const via of headerItems(message, 'via')) parseVia(via);
    const contacts = readContacts(message);
    if (contacts !== '*') for (const contact of contacts) parseUri(contact.address.uri);
    expect(parseMessage(serializeMessage(message), defaultMessageLimits)).toEqual(message);
  });

  it('4.2 ipv6-bad: an address without brackets is refused when the Request-URI is read', () => {
    const message = read('ipv6-bad');
    expect(parseErrorOf(() => parseUri(message.uri))).toMatchObject({ code: 'uri', status: 400 });
  });

  it('4.3 and 4.4: what stands inside the brackets is no port', () => {
    expect(parseUri(read('port-ambiguous').uri)).toMatchObject({
      host: '[2001:db8::10:5070]',
      port: undefined,
    });
    expect(parseUri(read('port-unambiguous').uri)).toMatchObject({ host: '[2001:db8::10]', port: 5070 });
  });

  it('4.5: received with and without brackets', () => {
    expect(read('via-received-param-with-delim').via.received).toBe('[2001:db8::9:255]');
    expect(read('via-received-param-no-delim').via.received).toBe('2001:db8::9:255');
  });

  it('4.7: IPv4 and IPv6 in one list', () => {
    expect(headerItems(read('mult-ip-in-header'), 'via').map((text) => parseVia(text).host)).toEqual([
      '[2001:db8::9:1]',
      '192.0.2.1',
      '[2001:db8::9:255]',
    ]);
  });
});

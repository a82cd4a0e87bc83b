import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ContactState, reginfoDocument } from '../../../src/sip/registrar/index.ts';
import { startMs } from './register-fixture.ts';

const phone: ContactState = {
  event: 'registered',
  binding: {
    id: '1;urn:uuid:1',
    contactUri: 'sip:alice@192.0.2.1;transport=tcp',
    contactParams: [
      { name: 'q', value: '0.5' },
      { name: '+sip.instance', value: '"<urn:uuid:1>"' },
      { name: 'reg-id', value: '1' },
    ],
    instanceId: 'urn:uuid:1',
    callId: 'a&b@host',
    cseq: 7,
    expiresAtMs: startMs + 90_500,
    qValue: 500,
    registeredAtMs: startMs - 10_000,
  },
};

function text(contacts: readonly ContactState[], aor = 'sip:alice@example.org'): string {
  const document = reginfoDocument({
    aor,
    version: 3,
    contacts,
    nowMs: startMs,
    publicGruu: (instanceId) => `sip:alice@example.org;gr=${instanceId}`,
  });
  return Buffer.from(document).toString('utf8');
}

test('RFC 3680 §5.3: the document, byte for byte', () => {
  const id = /id="(c[0-9a-f]{16})"/g;
  expect(text([phone]).replace(id, 'id="ID"')).toBe(
    [
      '<?xml version="1.0" encoding="UTF-8"?>',
      '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo" version="3" state="full">',
      '  <registration aor="sip:alice@example.org" id="ID" state="active">',
      '    <contact id="ID" state="active" event="registered" duration-registered="10" expires="90" q="0.500" callid="a&amp;b@host" cseq="7">',
      '      <uri>sip:alice@192.0.2.1;transport=tcp</uri>',
      '      <unknown-param name="+sip.instance">&quot;&lt;urn:uuid:1&gt;&quot;</unknown-param>',
      '      <unknown-param name="reg-id">1</unknown-param>',
      '      <gr:pub-gruu uri="sip:alice@example.org;gr=urn:uuid:1"/>',
      '    </contact>',
      '  </registration>',
      '</reginfo>',
      '',
    ].join('\n'),
  );
});

test('RFC 3680 §5.2.2: init before the first contact, terminated after the last', () => {
  expect(text([])).toMatch(/<registration [^>]*state="init">/);
  const over = text([{ ...phone, event: 'unregistered' }]);
  expect(over).toMatch(/<registration [^>]*state="terminated"/);
  expect(over).toMatch(/<contact [^>]*state="terminated" event="unregistered"[^>]* expires="0"/);
  expect(text([{ ...phone, event: 'expired' }, phone])).toMatch(/<registration [^>]*state="active"/);
});

test('a contact keeps its id over documents, and two contacts have two', () => {
  const ids = (document: string): string[] =>
    [...document.matchAll(/<contact id="([^"]+)"/g)].map(([, id = '']) => id);
  const other = { ...phone, binding: { ...phone.binding, id: '2;urn:uuid:1' } };
  const [first, second] = ids(text([phone, other]));
  expect(first).not.toBe(second);
  expect(ids(text([{ ...other, event: 'expired' }]))).toEqual([second]);
});

test('whatever a phone wrote, it adds no markup and no character that XML 1.0 lacks', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), (value) => {
      const params = [{ name: '+x', value }];
      const document = text([
        { ...phone, binding: { ...phone.binding, contactParams: params, callId: value } },
      ]);
      expect(document.split('<')).toHaveLength(text([phone]).split('<').length - 2);
      for (let i = 0; i < document.length; i++) {
        const code = document.charCodeAt(i);
        expect(code >= 32 || code === 9 || code === 10).toBe(true);
      }
    }),
  );
});

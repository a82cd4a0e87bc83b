import { describe, expect, it } from 'vitest';
import {
  createSipUri,
  escapeUser,
  parseUri,
  type SipUri,
  sameUri,
  serializeUri,
  telDigits,
  unescapeUri,
} from '../../../src/sip/message/index.ts';
import { parseErrorOf } from './parse-errors.ts';

function sip(text: string): SipUri {
  const uri = parseUri(text);
  if (uri.scheme === 'tel' || uri.scheme === 'other') throw new TypeError('not a sip URI');
  return uri;
}

describe('parseUri (RFC 3261 §19.1.1)', () => {
  it('reads every part', () => {
    expect(sip('sip:alice:secret@Example.COM:5062;transport=tcp;LR?subject=a%20b&priority=')).toEqual({
      scheme: 'sip',
      user: 'alice',
      password: 'secret',
      host: 'example.com',
      port: 5062,
      params: [
        { name: 'transport', value: 'tcp' },
        { name: 'lr', value: undefined },
      ],
      headers: [
        { name: 'subject', value: 'a%20b' },
        { name: 'priority', value: '' },
      ],
    });
  });

  it.each([
    'sip:example.com',
    'sips:1212@gateway.com',
    'sip:alice;day=tuesday@atlanta.com',
    'sip:+1-212-555-1212:1234@gateway.com;user=phone',
    'sip:%75se%72@example.com',
    'sip:null-%00-null@example.com',
    'sip:a@[2001:db8::10]:5070;lr',
    'sip:[::1]',
    'sip:a@b;maddr=239.255.255.1;ttl=15',
    'tel:+358-555-1234567;postd=pp22',
    'tel:7042;phone-context=example.com',
    'urn:service:sos',
    'mailto:a@b',
  ])('gives %s back', (text) => {
    expect(serializeUri(parseUri(text))).toBe(text);
  });

  it.each([
    '',
    'sip',
    'sip:',
    ':b@c',
    'sip:@example.com',
    'sip:a@',
    'sip:a b@c',
    'sip:a@b c',
    'sip:a@b:',
    'sip:a@b:99999',
    'sip:a@b:x',
    'sip:a@b;',
    'sip:a@b;;lr',
    'sip:a@b;=1',
    'sip:a@b;x=1;X=2',
    'sip:a@b?',
    'sip:a@b?x',
    'sip:a@b?x=1&',
    'sip:a%2@b',
    'sip:a%zz@b',
    'sip:a@b@c',
    'sip:2001:db8::10',
    'sip:a@[::1',
    'sip:a@[zz]',
    'sip:a@b;x="y"',
    'sip:<a@b>',
    'sip:gr\xfc\xdfe@b',
    'tel:',
    'tel:+',
    'tel:abcxyz',
    'tel:12+3',
    'x-y:a b',
  ])('refuses %j', (text) => {
    expect(parseErrorOf(() => parseUri(text))).toMatchObject({ code: 'uri', status: 400 });
  });

  it('names an unknown scheme, so that a proxy can answer 416', () => {
    expect(parseUri('nobodyKnowsThisScheme:totallyopaquecontent')).toEqual({
      scheme: 'other',
      schemeName: 'nobodyknowsthisscheme',
      rest: 'totallyopaquecontent',
    });
  });

  it('finds a parameter whose name is escaped', () => {
    expect(sip('sip:a@b;%6C%72').params).toEqual([{ name: 'lr', value: undefined }]);
  });
});

describe('sameUri (RFC 3261 §19.1.4)', () => {
  it.each([
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtlanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;newparam=5'],
    [
      'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
      'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
    ],
    [
      'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
      'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
    ],
    ['tel:+1-212-555-0101', 'tel:+12125550101'],
    ['tel:7042;phone-context=Example.com;ext=1', 'tel:70-42;ext=1;phone-context=example.com'],
    ['URN:service:sos', 'urn:service:sos'],
  ])('%s is %s', (a, b) => {
    expect(sameUri(parseUri(a), parseUri(b))).toBe(true);
    expect(sameUri(parseUri(b), parseUri(a))).toBe(true);
  });

  it.each([
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
    ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
    ['sip:a@b', 'sips:a@b'],
    ['sip:a@b', 'sip:b'],
    ['sip:a:x@b', 'sip:a:y@b'],
    ['sip:a%40b@c', 'sip:a%3Ab@c'],
    ['sip:a%3Bb@c', 'sip:a;b@c'],
    ['sip:a@b?x=1&x=1', 'sip:a@b?x=1&x=2'],
    ['tel:+12125550101', 'tel:12125550101'],
    ['tel:7042;ext=1', 'tel:7042'],
    ['tel:7042', 'sip:7042@b'],
  ])('%s is not %s', (a, b) => {
    expect(sameUri(parseUri(a), parseUri(b))).toBe(false);
    expect(sameUri(parseUri(b), parseUri(a))).toBe(false);
  });
});

describe('making URIs', () => {
  it('escapes what a user part cannot hold', () => {
    expect(serializeUri(createSipUri({ user: 'a b:c@d', host: 'Example.com', port: 5060 }))).toBe(
      'sip:a%20b%3Ac%40d@example.com:5060',
    );
    expect(escapeUser('ü%')).toBe('%C3%BC%25');
  });

  it('undoes escapes and leaves a stray percent sign', () => {
    expect(unescapeUri('%61%zz%4')).toBe('a%zz%4');
    expect(Buffer.from(unescapeUri(escapeUser('grüße, 100%')), 'latin1').toString('utf8')).toBe(
      'grüße, 100%',
    );
  });

  it('knows the digits of a telephone number (RFC 3966 §5.1.1)', () => {
    expect(telDigits('+1-(212).555')).toBe('+1212555');
  });
});

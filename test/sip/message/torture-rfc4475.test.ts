import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  defaultMessageLimits,
  headerField,
  headerItems,
  headerValue,
  headerValues,
  nameAddrParam,
  parseAuthValue,
  parseMessage,
  parseUri,
  parseVia,
  readContacts,
  type SipParseErrorCode,
  StreamFramer,
  serializeMessage,
} from '../../../src/sip/message/index.ts';
import { parseRequest } from './messages.ts';
import { parseErrorOf } from './parse-errors.ts';

const folder = new URL('../../vectors/rfc4475/', import.meta.url);
const read = (name: string): Buffer => readFileSync(new URL(`${name}.dat`, folder));

/** The tables follow test/vectors/rfc4475/README.md. */
const accepted = [
  'wsinv',
  'intmeth',
  'esc01',
  'escnull',
  'esc02',
  'lwsdisp',
  'longreq',
  'dblreq',
  'semiuri',
  'transports',
  'mpart01',
  'unreason',
  'noreason',
  'escruri',
  'baddate',
  'regbadct',
  'unkscm',
  'novelsc',
  'unksm2',
  'bext01',
  'invut',
  'regaut01',
  'bcast',
  'zeromf',
  'cparam01',
  'cparam02',
  'regescrt',
  'sdp01',
  'inv2543',
];

/** Code, status, and whether the request can be answered. */
const refused: Readonly<Record<string, readonly [SipParseErrorCode, number, 'answered' | 'dropped']>> = {
  badinv01: ['params', 400, 'answered'],
  clerr: ['truncated', 400, 'answered'],
  ncl: ['content-length', 400, 'answered'],
  scalar02: ['cseq', 400, 'answered'],
  scalarlg: ['cseq', 400, 'dropped'],
  quotbal: ['name-addr', 400, 'answered'],
  ltgtruri: ['start-line', 400, 'answered'],
  lwsruri: ['start-line', 400, 'answered'],
  lwsstart: ['start-line', 400, 'answered'],
  trws: ['start-line', 400, 'answered'],
  badaspec: ['name-addr', 400, 'answered'],
  baddn: ['incomplete', 400, 'answered'],
  badvers: ['version', 505, 'answered'],
  mismatch01: ['cseq-method', 400, 'answered'],
  mismatch02: ['cseq-method', 400, 'answered'],
  bigcode: ['start-line', 400, 'dropped'],
  badbranch: ['via', 400, 'answered'],
  insuf: ['header-missing', 400, 'dropped'],
  multi01: ['header-duplicate', 400, 'answered'],
  mcl01: ['header-duplicate', 400, 'answered'],
};

describe('RFC 4475: every message has its verdict', () => {
  it('covers the whole archive', () => {
    const files = readdirSync(folder).filter((name) => name.endsWith('.dat') && name !== 'test.dat');
    expect(files.map((name) => name.slice(0, -4)).sort()).toEqual(
      [...accepted, ...Object.keys(refused)].sort(),
    );
  });

  it.each(accepted)('accepts %s, and its own writing of it', (name) => {
    const message = parseMessage(read(name), defaultMessageLimits);
    expect(parseMessage(serializeMessage(message), defaultMessageLimits)).toEqual(message);
  });

  it.each(Object.entries(refused))('refuses %s', (name, [code, status, answer]) => {
    const error = parseErrorOf(() => parseMessage(read(name), defaultMessageLimits));
    expect([error.code, error.status, error.partial === undefined ? 'dropped' : 'answered']).toEqual([
      code,
      status,
      answer,
    ]);
  });

  it('refuses baddn for its display name too, once it has an end', () => {
    const complete = Buffer.concat([read('baddn'), Buffer.from('\r\n')]);
    expect(parseErrorOf(() => parseMessage(complete, defaultMessageLimits)).code).toBe('name-addr');
  });

  it('waits for the rest of clerr on a stream (3.1.2.2)', () => {
    const framer = new StreamFramer(defaultMessageLimits);
    framer.push(read('clerr'));
    expect(framer.next()).toBeUndefined();
  });
});

describe('RFC 4475: what the accepted messages say', () => {
  it('3.1.1.1 wsinv', () => {
    const message = parseRequest(read('wsinv'));
    expect(message.maxForwards).toBe(68);
    expect(message.cseq.number).toBe(9);
    expect(message.from).toMatchObject({ displayName: 'J Rosenberg \\"', tag: '98asjd8' });
    expect(message.to.tag).toBe('1918181833n');
    expect(headerItems(message, 'via').map((text) => parseVia(text).branch)).toEqual([
      '390skdjuw',
      'z9hG4bK9ikj8',
      'z9hG4bK30239',
    ]);
    expect(headerValue(message, 'subject')).toBe('');
    expect(headerValue(message, 'newfangledheader')).toBe('newfangled value continued newfangled value');
    expect(headerValue(message, 'unknownheaderwithunusualvalue')).toBe(';;,,;;,;');
    expect(readContacts(message)).toMatchObject([
      { address: { displayName: 'Quoted string ""' }, qValue: 330 },
    ]);
    expect(message.body).toHaveLength(150);
  });

  it('3.1.1.2 intmeth', () => {
    const message = parseRequest(read('intmeth'));
    expect(message.method).toBe("!interesting-Method0123456789_*+`.%indeed'~");
    expect(message.to.displayName).toBe('BEL:\x07 NUL:\0 DEL:\x7f');
    expect(message.from.displayName).toBe("token1~` token2'+_ token3*%!.-");
    expect(Buffer.from(nameAddrParam(message.from, "fromparam''~+*_!.-%") ?? '', 'latin1').toString()).toBe(
      'работающий',
    );
    expect(message.callId).toBe('intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{');
    expect(parseUri(message.uri)).toMatchObject({
      user: "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
      password: "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
    });
  });

  it('3.1.1.3 esc01, 3.1.1.4 escnull, 3.1.1.5 esc02', () => {
    expect(parseUri(parseRequest(read('esc01')).uri)).toMatchObject({
      user: 'sips%3Auser%40example.com',
      host: 'example.net',
    });
    expect(readContacts(parseRequest(read('escnull')))).toMatchObject([
      { address: { uri: 'sip:%00@host5.example.com' } },
      { address: { uri: 'sip:%00%00@host5.example.com' } },
    ]);
    const message = parseRequest(read('esc02'));
    expect([message.method, message.to.displayName, headerValues(message, 'contact').length]).toEqual([
      'RE%47IST%45R',
      '%Z%45',
      2,
    ]);
    expect(headerValue(message, 'c%6fntact')).toBe('<sip:alias2@host2.example.com>');
  });

  it('3.1.1.7 longreq', () => {
    const message = parseRequest(read('longreq'));
    expect(headerItems(message, 'via')).toHaveLength(34);
    expect(() => headerItems(message, 'via').map((text) => parseVia(text))).not.toThrow();
    expect(readContacts(message)).toHaveLength(1);
  });

  it('3.1.1.8 dblreq: what follows the body is no second message', () => {
    expect(parseRequest(read('dblreq'))).toMatchObject({ method: 'REGISTER', body: new Uint8Array(0) });
  });

  it('3.1.1.9 semiuri', () => {
    const uri = parseUri(parseRequest(read('semiuri')).uri);
    expect(uri).toMatchObject({ user: 'user;par=u%40example.net', host: 'example.com', params: [] });
  });

  it('3.1.1.11 mpart01: a body of bytes', () => {
    expect(parseRequest(read('mpart01')).body).toHaveLength(553);
  });

  it('3.1.1.12 unreason, 3.1.1.13 noreason', () => {
    const reason = (name: string): string => {
      const message = parseMessage(read(name), defaultMessageLimits);
      return message.kind === 'response'
        ? Buffer.from(message.reason, 'latin1').toString('utf8')
        : 'no response';
    };
    expect(reason('unreason')).toBe('= 2**3 * 5**2 но сто девяносто девять - простое');
    expect(reason('noreason')).toBe('');
  });

  it('3.1.2.11 escruri shows its headers to the proxy', () => {
    expect(parseUri(parseRequest(read('escruri')).uri)).toMatchObject({
      headers: [{ name: 'Route', value: '%3Csip:example.com%3E' }],
    });
  });

  it('3.1.2.13 regbadct: the registrar refuses the Contact', () => {
    expect(parseErrorOf(() => readContacts(parseRequest(read('regbadct')))).status).toBe(400);
  });

  it('3.3.2 unkscm, 3.3.3 novelsc: schemes for a 416', () => {
    expect(parseUri(parseRequest(read('unkscm')).uri)).toMatchObject({ schemeName: 'nobodyknowsthisscheme' });
    expect(parseUri(parseRequest(read('novelsc')).uri)).toMatchObject({ schemeName: 'soap.beep' });
  });

  it('3.3.7 regaut01: credentials of an unknown scheme', () => {
    const value = headerValue(parseRequest(read('regaut01')), 'authorization') ?? '';
    expect(parseAuthValue(value).scheme).toBe('NoOneKnowsThisScheme');
  });

  it('3.3.12 cparam01, 3.3.13 cparam02, 3.3.14 regescrt: whose parameter it is', () => {
    const contact = (name: string) => readContacts(parseRequest(read(name)));
    const plain = { name: 'unknownparam', value: undefined };
    expect(contact('cparam01')).toMatchObject([
      { address: { uri: 'sip:+19725552222@gw1.example.net', params: [plain] } },
    ]);
    expect(contact('cparam02')).toMatchObject([
      { address: { uri: 'sip:+19725552222@gw1.example.net;unknownparam', params: [] } },
    ]);
    expect(contact('regescrt')).toMatchObject([
      { address: { uri: 'sip:user@example.com?Route=%3Csip:sip.example.com%3E' } },
    ]);
  });

  it('writes a NUL only where it was read', () => {
    expect(() => headerField('To', '"\\\0" <sip:a@b>')).toThrow(RangeError);
  });
});

import { describe, expect, it } from 'vitest';
import {
  parseContact,
  parseDeltaSeconds,
  parseQValue,
  readContacts,
} from '../../../src/sip/message/index.ts';
import { request } from './messages.ts';
import { parseErrorOf } from './parse-errors.ts';

describe('readContacts (RFC 3261 §10.2)', () => {
  it('reads all values of all fields', () => {
    const message = request({
      extra: ['Contact: <sip:a@b>;q=0.7, "x, y" <sip:c@d>;expires=60', 'm: sip:e@f'],
    });
    expect(readContacts(message)).toMatchObject([
      { address: { uri: 'sip:a@b' }, qValue: 700, expires: undefined },
      { address: { uri: 'sip:c@d' }, expires: 60 },
      { address: { uri: 'sip:e@f' } },
    ]);
  });

  it('knows the star and that it stands alone', () => {
    expect(readContacts(request({ extra: ['Contact: *'] }))).toBe('*');
    expect(readContacts(request())).toEqual([]);
    expect(parseErrorOf(() => readContacts(request({ extra: ['Contact: *', 'm: <sip:a@b>'] }))).code).toBe(
      'name-addr',
    );
    expect(parseErrorOf(() => readContacts(request({ extra: ['Contact: *, <sip:a@b>'] }))).code).toBe(
      'name-addr',
    );
  });

  it('reads instance and reg-id (RFC 5626 §4)', () => {
    const contact = parseContact(
      '<sip:a@b;ob>;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"',
    );
    expect(contact).toMatchObject({ regId: 1, instanceId: 'urn:uuid:00000000-0000-1000-8000-000A95A0E128' });
  });

  it.each([
    '<sip:a@b>;q=2',
    '<sip:a@b>;q=0.1234',
    '<sip:a@b>;q',
    '<sip:a@b>;expires=soon',
    '<sip:a@b>;reg-id=0',
    '<sip:a@b>;+sip.instance="urn:x"',
  ])('refuses %s', (value) => {
    expect(parseErrorOf(() => parseContact(value))).toMatchObject({ code: 'contact', status: 400 });
  });
});

describe('numbers of a Contact', () => {
  it.each([
    ['0', 0],
    ['1', 1000],
    ['0.', 0],
    ['0.5', 500],
    ['0.333', 333],
    ['1.000', 1000],
    ['1.001', undefined],
    ['', undefined],
    ['.5', undefined],
    ['-1', undefined],
    ['0.x', undefined],
  ])('q=%s', (text, expected) => {
    expect(parseQValue(text)).toBe(expected);
  });

  it('takes an overlarge expiry as 2**32 - 1 (RFC 3261 §20.19)', () => {
    expect(parseDeltaSeconds('280297596632815')).toBe(0xffff_ffff);
    expect(parseDeltaSeconds('9'.repeat(100))).toBe(0xffff_ffff);
    expect(parseDeltaSeconds('3600')).toBe(3600);
    expect(parseDeltaSeconds('-1')).toBeUndefined();
    expect(parseDeltaSeconds('')).toBeUndefined();
  });
});

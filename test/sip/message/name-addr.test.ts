import { describe, expect, it } from 'vitest';
import {
  createNameAddr,
  nameAddrParam,
  parseNameAddr,
  serializeNameAddr,
  splitCommaList,
  withTag,
} from '../../../src/sip/message/index.ts';
import { parseErrorOf } from './parse-errors.ts';

describe('parseNameAddr (RFC 3261 §20.10)', () => {
  it.each([
    ['sip:a@b', { displayName: undefined, uri: 'sip:a@b', tag: undefined }],
    ['sip:a@b;tag=1', { uri: 'sip:a@b', tag: '1' }],
    ['<sip:a@b;lr>;tag=1', { uri: 'sip:a@b;lr', tag: '1' }],
    ['caller<sip:a@b>', { displayName: 'caller', uri: 'sip:a@b' }],
    ['A. G. Bell <sip:agb@bell-telephone.com>;tag=a48s', { displayName: 'A. G. Bell', tag: 'a48s' }],
    ['"J Rosenberg \\\\\\"" <sip:a@b> ; tag = 98', { displayName: 'J Rosenberg \\"', tag: '98' }],
    ['"a <sip:x@y>, b" <sip:a@b>', { displayName: 'a <sip:x@y>, b', uri: 'sip:a@b' }],
    ['"" <tel:+1>;TAG=x', { displayName: '', uri: 'tel:+1', tag: 'x' }],
    ['<http://www.example.com>;tag=3', { uri: 'http://www.example.com' }],
  ])('reads %s', (text, expected) => {
    expect(parseNameAddr(text)).toMatchObject(expected);
  });

  it('reads parameters with quotes, flags and blanks', () => {
    const address = parseNameAddr('<sip:a@b> ; +sip.instance = "<urn:uuid:1>" ; ob;q=0.5');
    expect(nameAddrParam(address, '+sip.instance')).toBe('<urn:uuid:1>');
    expect(nameAddrParam(address, 'ob')).toBe('');
    expect(nameAddrParam(address, 'none')).toBeUndefined();
  });

  it.each([
    '',
    '  ',
    'bob',
    '<bob>',
    '<>',
    'sip:',
    '<sip:a@b',
    '"open <sip:a@b>',
    '"name" sip:a@b',
    'Bell, Alexander <sip:a@b>',
    '<sip:a@b>x',
    '<sip:a@b>, <sip:c@d>',
    '<sip:a@b>;',
    '<sip:a@b>;;tag=1',
    '<sip:a@b>;tag',
    '<sip:a@b>;tag=',
    '<sip:a@b>;tag="open',
    '< sip:a@b >',
    '<sip:a b@c>',
    '<<sip:a@b>>',
    'sip:a@b?Route=x',
    'sip:a@b,c',
    '<1sip:a@b>',
  ])('refuses %j', (text) => {
    expect(['name-addr', 'params']).toContain(parseErrorOf(() => parseNameAddr(text)).code);
  });
});

describe('writing addresses', () => {
  it.each([
    [createNameAddr('sip:a@b'), '<sip:a@b>'],
    [createNameAddr('sip:a@b', 'alice'), 'alice <sip:a@b>'],
    [createNameAddr('sip:a@b', 'A "B" \\ C'), '"A \\"B\\" \\\\ C" <sip:a@b>'],
    [withTag(createNameAddr('sip:a@b;x=y'), 't1'), '<sip:a@b;x=y>;tag=t1'],
    [withTag(parseNameAddr('<sip:a@b>;tag=old;x'), 'new'), '<sip:a@b>;tag=new;x'],
  ])('gives %#', (address, text) => {
    expect(serializeNameAddr(address)).toBe(text);
    expect(parseNameAddr(text)).toEqual(address);
  });
});

describe('splitCommaList (RFC 3261 §7.3.1)', () => {
  it.each([
    ['', []],
    ['a', ['a']],
    [' a , b,c ', ['a', 'b', 'c']],
    ['"x, y" <sip:a@b>, <sip:c,d@e>;p="q,\\"r"', ['"x, y" <sip:a@b>', '<sip:c,d@e>;p="q,\\"r"']],
    ['"open, a', ['"open, a']],
    ['a,,b', ['a', '', 'b']],
  ])('splits %j', (value, items) => {
    expect(splitCommaList(value)).toEqual(items);
  });
});

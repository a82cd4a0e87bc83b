import { isDigit, parseDecimal, splitCommaList } from './grammar.ts';
import { headerValues } from './header-edit.ts';
import type { SipMessage } from './model.ts';
import { type NameAddr, parseNameAddr } from './name-addr.ts';
import { paramValue } from './params.ts';
import { SipParseError } from './parse-error.ts';

/** One Contact value (RFC 3261 §20.10) with what a registrar needs of it. */
export interface Contact {
  readonly address: NameAddr;
  /** q in thousandths, 0 to 1000; undefined when absent. */
  readonly qValue: number | undefined;
  /** Seconds, at most 2**32 - 1; undefined when absent. */
  readonly expires: number | undefined;
  /** `+sip.instance` without its <> (RFC 5626 §4.1). */
  readonly instanceId: string | undefined;
  /** RFC 5626 §4.2: 1 to 2**31 - 1. */
  readonly regId: number | undefined;
}

/** `*` stands alone in a REGISTER that removes all bindings (RFC 3261 §10.2.2). */
export type Contacts = '*' | readonly Contact[];

/** All Contact values of a message. Throws SipParseError. */
export function readContacts(message: SipMessage): Contacts {
  const values = headerValues(message, 'contact');
  if (values.length === 1 && values[0] === '*') return '*';
  const contacts: Contact[] = [];
  for (const value of values) for (const item of splitCommaList(value)) contacts.push(parseContact(item));
  return contacts;
}

export function parseContact(value: string): Contact {
  const address = parseNameAddr(value);
  const { params } = address;
  return {
    address,
    qValue: readParam(paramValue(params, 'q'), 'q', parseQValue),
    expires: readParam(paramValue(params, 'expires'), 'expires', parseDeltaSeconds),
    instanceId: readInstance(paramValue(params, '+sip.instance')),
    regId: readParam(paramValue(params, 'reg-id'), 'reg-id', parseRegId),
  };
}

function readParam(
  value: string | undefined,
  name: string,
  parse: (text: string) => number | undefined,
): number | undefined {
  if (value === undefined) return undefined;
  const number = parse(value);
  if (number === undefined) throw new SipParseError('contact', `malformed ${name} of a Contact`);
  return number;
}

/** Delta-seconds; more than 2**32 - 1 counts as that (RFC 3261 §20.19). Undefined when not a number. */
export function parseDeltaSeconds(text: string): number | undefined {
  const seconds = parseDecimal(text, 0, text.length, Number.MAX_SAFE_INTEGER);
  if (seconds >= 0) return Math.min(seconds, 0xffff_ffff);
  for (let i = 0; i < text.length; i++) if (!isDigit(text.charCodeAt(i))) return undefined;
  return text.length > 0 ? 0xffff_ffff : undefined;
}

/** `0` or `1` with up to three decimals, in thousandths (RFC 3261 §25.1). */
export function parseQValue(text: string): number | undefined {
  const whole = text.charCodeAt(0) - 48;
  if (whole !== 0 && whole !== 1) return undefined;
  if (text.length === 1) return whole * 1000;
  if (text.charAt(1) !== '.' || text.length > 5) return undefined;
  const decimals = text.slice(2).padEnd(3, '0');
  const thousandths = whole * 1000 + parseDecimal(decimals, 0, 3, 999);
  return parseDecimal(decimals, 0, 3, 999) < 0 || thousandths > 1000 ? undefined : thousandths;
}

function parseRegId(text: string): number | undefined {
  const id = parseDecimal(text, 0, text.length, 0x7fff_ffff);
  return id > 0 ? id : undefined;
}

function readInstance(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (value.length < 3 || !value.startsWith('<') || !value.endsWith('>')) {
    throw new SipParseError('contact', 'malformed +sip.instance of a Contact');
  }
  return value.slice(1, -1);
}

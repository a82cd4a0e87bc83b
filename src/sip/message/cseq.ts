import { isToken, isWhitespace, parseDecimal, skipWhitespace } from './grammar.ts';
import { internMethod } from './methods.ts';
import { SipParseError } from './parse-error.ts';

export interface CSeq {
  readonly number: number;
  readonly method: string;
}

/** RFC 3261 §8.1.1.5: less than 2**31. */
export const maxCSeq = 0x7fff_ffff;

export function parseCSeq(value: string): CSeq {
  const end = value.length;
  let i = 0;
  while (i < end && !isWhitespace(value.charCodeAt(i))) i++;
  const number = parseDecimal(value, 0, i, maxCSeq);
  if (number < 0) throw new SipParseError('cseq', 'CSeq number is not a number below 2**31');
  const method = internMethod(value.slice(skipWhitespace(value, i, end)));
  if (!isToken(method)) throw new SipParseError('cseq', 'CSeq method is not a token');
  return { number, method };
}

export function serializeCSeq(cseq: CSeq): string {
  return `${cseq.number} ${cseq.method}`;
}

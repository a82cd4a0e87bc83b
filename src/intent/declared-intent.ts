import { headerValue, type SipRequest } from '../sip/index.ts';

/** Longest intent text that goes into a token and a record, in characters. */
const maxIntentLength = 200;

/** What the caller declares: its Subject (RFC 3261 §20.36), else the plain purpose of the request. */
export function declaredIntent(request: SipRequest, callee: string): string {
  const subject = headerValue(request, 'subject')?.trim();
  if (subject) return Buffer.from(subject, 'latin1').toString('utf8').slice(0, maxIntentLength);
  return request.method === 'INVITE'
    ? `voice call to ${callee}`
    : `${request.method.toLowerCase()} to ${callee}`;
}

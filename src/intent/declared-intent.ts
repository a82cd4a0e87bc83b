import { headerValue, type SipRequest, utf8Text } from '../sip/index.ts';
import { fitIntentText } from '../tokens/index.ts';

/** Longest intent text that goes into a token and a record, in characters. */
const maxIntentLength = 200;

/** What the caller declares: its Subject (RFC 3261 §20.36), else the plain purpose of the request. */
export function declaredIntent(request: SipRequest, callee: string): string {
  const subject = headerValue(request, 'subject');
  const declared = subject === undefined ? '' : fitIntentText(utf8Text(subject), maxIntentLength);
  if (declared !== '') return declared;
  const purpose = request.method === 'INVITE' ? 'voice call' : request.method.toLowerCase();
  return fitIntentText(`${purpose} to ${callee}`, maxIntentLength);
}

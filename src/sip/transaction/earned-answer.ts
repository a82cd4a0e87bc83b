import type { SipRequest, SipResponse } from '../message/index.ts';
import { earnedPerByte } from '../transport/index.ts';

/** Whether an answer of so many bytes may go out for a request that came over UDP from somebody unknown. */
export function isEarned({ wireBytes = 0 }: SipRequest, answerBytes: number): boolean {
  return answerBytes <= earnedPerByte * wireBytes;
}

/** What the sender needs to understand the answer; a challenge is nothing without its own fields. */
const needed: Readonly<Record<string, string>> = {
  via: 'v',
  from: 'f',
  to: 't',
  'call-id': 'i',
  cseq: 'CSeq',
  'www-authenticate': 'WWW-Authenticate',
  'proxy-authenticate': 'Proxy-Authenticate',
};

/**
 * What may go out to somebody unknown over UDP: the whole response, or the same in fewer words, or nothing. `sentBytes`
 * have gone out already.
 */
export function earnedBytes(
  request: SipRequest,
  response: SipResponse,
  serialize: (response: SipResponse) => Uint8Array,
  sentBytes = 0,
): Uint8Array | undefined {
  const whole = serialize(response);
  if (isEarned(request, sentBytes + whole.length)) return whole;
  const short = serialize(inFewerWords(response));
  return isEarned(request, sentBytes + short.length) ? short : undefined;
}

/** Without reason phrase and what can be done without, in compact form (RFC 3261 §7.3.3). */
function inFewerWords(response: SipResponse): SipResponse {
  const headers = response.headers.flatMap((field) => {
    const rawName = needed[field.name];
    return rawName === undefined ? [] : [{ ...field, rawName }];
  });
  return { ...response, reason: '', headers };
}

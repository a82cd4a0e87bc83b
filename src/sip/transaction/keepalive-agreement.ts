import { headerValue, paramValue, type SipResponse } from '../message/index.ts';

/** A day: more would be no keepalive. */
const maxKeepSeconds = 86_400;

/**
 * What a response says about keepalives on its flow (RFC 6223 §4.4): the seconds that the phone finds in its Via, for as
 * long as it is registered; 0 when it has offered none or its last contact is gone; undefined when it says nothing.
 * Only a registration that was accepted counts: its sender has proved itself, so that a forged source arms nothing.
 */
export function agreedKeepSeconds(response: SipResponse): number | undefined {
  const { status, cseq, via } = response;
  if (cseq.method !== 'REGISTER' || status < 200 || status >= 300) return undefined;
  if (headerValue(response, 'contact') === undefined) return 0;
  const seconds = Number(paramValue(via.params, 'keep') ?? 0);
  return Number.isInteger(seconds) && seconds > 0 && seconds <= maxKeepSeconds ? seconds : 0;
}

import {
  type HeaderField,
  headerField,
  headerItems,
  headerValue,
  parseDeltaSeconds,
  parseNameAddr,
  reginfoType,
  SipParseError,
  type SipRequest,
} from '../sip/index.ts';

/** How a SUBSCRIBE is refused. */
export interface SubscribeRefusal {
  readonly status: number;
  readonly reason?: string;
  readonly headers?: readonly HeaderField[];
}

/** RFC 3680 §4.4 */
const defaultExpiresSeconds = 3761;
const maxExpiresSeconds = 7200;
const minExpiresSeconds = 60;

export function isRegEvent(request: SipRequest): boolean {
  return headerValue(request, 'event')?.split(';', 1)[0]?.trim().toLowerCase() === 'reg';
}

/** What the SUBSCRIBE is granted, in seconds; 0 ends the subscription or asks once. */
export function grantedSeconds(request: SipRequest): number {
  const asked = parseDeltaSeconds(headerValue(request, 'expires') ?? '') ?? defaultExpiresSeconds;
  return Math.min(asked, maxExpiresSeconds);
}

/** The URI of an address as it stands in a header; empty when it is malformed or absent. */
export function uriOf(nameAddr: string | undefined): string {
  try {
    return nameAddr === undefined ? '' : parseNameAddr(nameAddr).uri;
  } catch (error) {
    if (error instanceof SipParseError) return '';
    throw error;
  }
}

/** What is wrong with a SUBSCRIBE, whoever sent it; undefined: nothing (RFC 6665 §4.2.1). */
export function checkSubscribe(request: SipRequest): SubscribeRefusal | undefined {
  const accepted = headerItems(request, 'accept').map((item) => item.split(';', 1)[0]?.trim().toLowerCase());
  if (accepted.length > 0 && ![reginfoType, 'application/*', '*/*'].some((type) => accepted.includes(type)))
    return { status: 406, headers: [headerField('Accept', reginfoType)] };
  // A dialog needs a remote target (RFC 3261 §12.1.1).
  if (uriOf(headerValue(request, 'contact')) === '') return { status: 400, reason: 'Bad Contact' };
  const seconds = grantedSeconds(request);
  if (seconds > 0 && seconds < minExpiresSeconds)
    return { status: 423, headers: [headerField('Min-Expires', String(minExpiresSeconds))] };
  return undefined;
}

import { readUri } from '../intent/index.ts';
import {
  headerItems,
  parseNameAddr,
  type RespondDecision,
  SipParseError,
  type SipRequest,
  type Uri,
  unescapeUri,
} from '../sip/index.ts';
import type { CallBarriers } from './call-barriers.ts';
import { respond } from './routing-answers.ts';

/**
 * What stands in the way of a REFER: whoever takes it calls where it points, and a trunk would do so at this
 * gateway's cost. Undefined for other requests, and for what may pass.
 */
export function referRefusal(
  request: SipRequest,
  label: string,
  barriers: CallBarriers,
): RespondDecision | undefined {
  if (request.method !== 'REFER') return undefined;
  const uri = referredTo(request);
  if (uri === undefined) return respond(400, 'Bad Refer-To');
  const number = numberIn(uri);
  const barred = number === undefined ? undefined : barriers.numberRefusal(label, number);
  return barred === undefined ? undefined : respond(403, barred);
}

/** RFC 3515 §2.4.1: exactly one. */
function referredTo(request: SipRequest): Uri | undefined {
  const [value, ...others] = headerItems(request, 'refer-to');
  if (value === undefined || others.length > 0) return undefined;
  try {
    return readUri(parseNameAddr(value).uri);
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}

function numberIn(uri: Uri): string | undefined {
  if (uri.scheme === 'tel') return uri.number;
  return uri.scheme === 'other' || uri.user === undefined ? undefined : unescapeUri(uri.user);
}

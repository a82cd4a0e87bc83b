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
  const values = headerItems(request, 'refer-to');
  // It points nowhere, which its recipient refuses (RFC 3515 §2.4.2).
  if (values.length === 0) return undefined;
  const uri = referredTo(values);
  if (uri === undefined) return respond(400, 'Bad Refer-To');
  const number = numberIn(uri);
  const barred = number === undefined ? undefined : barriers.numberRefusal(label, number);
  return barred === undefined ? undefined : respond(403, barred);
}

/** RFC 3515 §2.4.1: exactly one. */
function referredTo([value, ...others]: readonly string[]): Uri | undefined {
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

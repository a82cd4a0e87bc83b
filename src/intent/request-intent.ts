import { mediaKeys } from '../media/index.ts';
import { headerValue, type SipRequest } from '../sip/index.ts';
import type { IntentRequest } from '../tokens/index.ts';

const maxSessionIdLength = 128;

/** What an intent token binds of `request`: its leg, its media keys, its Session-ID (RFC 7989). */
export function intentRequestOf(request: SipRequest): IntentRequest {
  return {
    method: request.method,
    fromUri: request.from.uri,
    fromTag: request.from.tag ?? '',
    toUri: request.to.uri,
    toTag: request.to.tag,
    callId: request.callId,
    cseq: request.cseq.number,
    contact: request.method === 'REGISTER' ? headerValue(request, 'contact') : undefined,
    sessionId: sessionIdOf(request),
    dtlsFingerprints: mediaKeys(headerValue(request, 'content-type'), request.body),
  };
}

/** RFC 7989 §5 gives it at most 32 digits and a `remote` parameter; a longer value is no Session-ID. */
function sessionIdOf(request: SipRequest): string | undefined {
  const value = headerValue(request, 'session-id');
  return value !== undefined && value.length <= maxSessionIdLength ? value : undefined;
}

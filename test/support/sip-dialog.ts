import {
  headerField,
  headerItems,
  headerValue,
  parseNameAddr,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from '../../src/sip/index.ts';

/** One side's view of a dialog (RFC 3261 §12). */
export interface Dialog {
  readonly callId: string;
  readonly local: string;
  readonly remote: string;
  readonly target: string;
  readonly routes: readonly string[];
  /** The INVITE's number: its ACK repeats it. */
  readonly inviteCSeq: number;
}

/** Matches responses of a request's transaction from a status on (RFC 3261 §17.1.3). */
export function answers(
  request: SipRequest,
  fromStatus: number,
): (message: SipMessage) => message is SipResponse {
  return (message): message is SipResponse =>
    message.kind === 'response' &&
    message.status >= fromStatus &&
    message.via.branch === request.via.branch &&
    message.cseq.method === request.cseq.method;
}

/** The CANCEL of a request (RFC 3261 §9.1). */
export function cancelOf(request: SipRequest): SipRequest {
  const kept = new Set(['via', 'from', 'to', 'call-id', 'max-forwards']);
  return {
    ...request,
    method: 'CANCEL',
    cseq: { number: request.cseq.number, method: 'CANCEL' },
    headers: [
      ...request.headers.filter(({ name }) => kept.has(name)),
      headerField('CSeq', `${request.cseq.number} CANCEL`),
      headerField('Reason', 'SIP;cause=487;text="given up"'),
    ],
    body: new Uint8Array(0),
  };
}

/** The caller's dialog: routes in reverse order (RFC 3261 §12.1.2). */
export function callerDialog(response: SipResponse): Dialog {
  return {
    callId: response.callId,
    local: headerValue(response, 'from') ?? '',
    remote: headerValue(response, 'to') ?? '',
    target: parseNameAddr(headerValue(response, 'contact') ?? '').uri,
    routes: headerItems(response, 'record-route').reverse(),
    inviteCSeq: response.cseq.number,
  };
}

/** The callee's dialog: routes in the order of the request (RFC 3261 §12.1.1). */
export function calleeDialog(request: SipRequest, response: SipResponse): Dialog {
  return {
    callId: request.callId,
    local: headerValue(response, 'to') ?? '',
    remote: headerValue(request, 'from') ?? '',
    target: parseNameAddr(headerValue(request, 'contact') ?? '').uri,
    routes: headerItems(request, 'record-route'),
    inviteCSeq: request.cseq.number,
  };
}

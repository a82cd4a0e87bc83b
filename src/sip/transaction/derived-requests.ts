import { emptyBody, type HeaderField, type SipRequest, type SipResponse } from '../message/index.ts';

const maxForwards = 70;

/**
 * The ACK for a non-2xx final response (RFC 3261 §17.1.1.3): same Request-URI, Via branch, From, Call-ID, Route
 * and CSeq number as the INVITE, the To of the response.
 */
export function buildAck(invite: SipRequest, response: SipResponse): SipRequest {
  return derive(invite, 'ACK', response, []);
}

/** The CANCEL for a pending INVITE (RFC 3261 §9.1); `extra` passes on what says why (Reason, RFC 3326). */
export function buildCancel(invite: SipRequest, extra: readonly HeaderField[]): SipRequest {
  return derive(invite, 'CANCEL', invite, extra);
}

function derive(
  invite: SipRequest,
  method: 'ACK' | 'CANCEL',
  toSource: SipRequest | SipResponse,
  extra: readonly HeaderField[],
): SipRequest {
  const headers: HeaderField[] = [];
  let viaTaken = false;
  for (const field of invite.headers) {
    switch (field.name) {
      case 'via':
        // The INVITE's topmost Via is a field of its own here: this element put it there.
        if (!viaTaken) headers.push(field);
        viaTaken = true;
        break;
      case 'route':
      case 'from':
      case 'call-id':
        headers.push(field);
        break;
      case 'to':
        headers.push(toField(toSource) ?? field);
        break;
      case 'cseq':
        headers.push({ name: 'cseq', rawName: 'CSeq', value: `${invite.cseq.number} ${method}` });
        break;
      default:
        break;
    }
  }
  headers.push({ name: 'max-forwards', rawName: 'Max-Forwards', value: String(maxForwards) }, ...extra);
  return {
    kind: 'request',
    method,
    uri: invite.uri,
    maxForwards,
    headers,
    body: emptyBody,
    callId: invite.callId,
    cseq: { number: invite.cseq.number, method },
    from: invite.from,
    to: toSource.to,
    via: invite.via,
  };
}

function toField(message: SipRequest | SipResponse): HeaderField | undefined {
  for (const field of message.headers) if (field.name === 'to') return field;
  return undefined;
}

import { headerValue, magicCookie, type SipRequest, type SipResponse } from '../message/index.ts';

/**
 * The key under which a server transaction is found (RFC 3261 §17.2.3): branch, sent-by and method, where an ACK
 * belongs to its INVITE; and the address that it came from, since phones behind different NATs may have the same
 * sent-by, and a guessed branch is of no use elsewhere. Its port is left out: a NAT may change that. Branches without the magic cookie are RFC 2543's and fall back to the request's own fields;
 * the To tag stays out of it, since the ACK carries the one that the response added.
 */
export function serverKey(request: SipRequest, method: string, source: string): string {
  const { branch, host, port } = request.via;
  const sentBy = port === undefined ? host.toLowerCase() : `${host.toLowerCase()}:${port}`;
  if (branch !== undefined && branch.length > magicCookie.length && branch.startsWith(magicCookie)) {
    return `${method} ${branch} ${sentBy} ${source}`;
  }
  const { uri, callId, cseq, from } = request;
  const via = headerValue(request, 'via') ?? '';
  // Lengths make the joined text unambiguous: all of these fields come from the network.
  return `${method} ${source} ${uri.length},${callId.length},${cseq.number},${from.tag?.length ?? 0} ${uri}${callId}${from.tag ?? ''}${via}`;
}

/** The method under which a request is matched: the ACK for a non-2xx response is part of the INVITE transaction. */
export function matchedMethod(method: string): string {
  return method === 'ACK' ? 'INVITE' : method;
}

/** RFC 3261 §17.1.3: branch of the topmost Via, and the method, since a CANCEL shares its INVITE's branch. */
export function clientKey(message: SipRequest | SipResponse): string {
  return `${message.cseq.method} ${message.via.branch ?? ''}`;
}

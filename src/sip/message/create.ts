import { serializeCSeq } from './cseq.ts';
import { headerField } from './header-edit.ts';
import { internMethod } from './methods.ts';
import { emptyBody, type HeaderField, type SipRequest, type SipResponse } from './model.ts';
import { type NameAddr, parseNameAddr, serializeNameAddr, withTag } from './name-addr.ts';
import { reasonPhrase } from './status-reasons.ts';
import { serializeVia, type Via } from './via.ts';

export interface RequestOptions {
  readonly method: string;
  readonly uri: string;
  readonly via: Via;
  /** An address, or its text as it shall stand in the header. */
  readonly from: NameAddr | string;
  readonly to: NameAddr | string;
  readonly callId: string;
  readonly cseq: number;
  /** Default 70 (RFC 3261 §8.1.1.6). */
  readonly maxForwards?: number;
  readonly headers?: readonly HeaderField[];
  readonly body?: Uint8Array;
  readonly contentType?: string;
}

/** A request with the headers of RFC 3261 §8.1.1, and `headers` behind them. */
export function createRequest(options: RequestOptions): SipRequest {
  const method = internMethod(options.method);
  const from = typeof options.from === 'string' ? parseNameAddr(options.from) : options.from;
  const to = typeof options.to === 'string' ? parseNameAddr(options.to) : options.to;
  const cseq = { number: options.cseq, method };
  const maxForwards = options.maxForwards ?? 70;
  const { uri, via, callId, body = emptyBody } = options;
  const headers = [
    headerField('Via', serializeVia(via)),
    headerField('Max-Forwards', String(maxForwards)),
    headerField('From', typeof options.from === 'string' ? options.from : serializeNameAddr(from)),
    headerField('To', typeof options.to === 'string' ? options.to : serializeNameAddr(to)),
    headerField('Call-ID', callId),
    headerField('CSeq', serializeCSeq(cseq)),
    ...(options.headers ?? []),
  ];
  if (options.contentType !== undefined) headers.push(headerField('Content-Type', options.contentType));
  return { kind: 'request', method, uri, maxForwards, headers, body, callId, cseq, from, to, via };
}

export interface ResponseOptions {
  /** Set on To when the request's To has none; required by RFC 3261 §8.2.6.2 for all but 100. */
  readonly toTag?: string | undefined;
  readonly headers?: readonly HeaderField[];
  readonly body?: Uint8Array;
  readonly contentType?: string;
}

/** A response to `request` (RFC 3261 §8.2.6): Via, From, To, Call-ID and CSeq are the request's. */
export function createResponse(
  request: SipRequest,
  status: number,
  reason: string = reasonPhrase(status),
  options: ResponseOptions = {},
): SipResponse {
  const { callId, cseq, from, via } = request;
  let { to } = request;
  const headers: HeaderField[] = [];
  for (const field of request.headers) {
    switch (field.name) {
      case 'via':
      case 'from':
      case 'call-id':
      case 'cseq':
        headers.push(field);
        break;
      case 'to':
        if (options.toTag === undefined || to.tag !== undefined) headers.push(field);
        else {
          to = withTag(to, options.toTag);
          // Appended to the text as it came: the address stays what the caller may have signed.
          headers.push({ name: 'to', rawName: field.rawName, value: `${field.value};tag=${options.toTag}` });
        }
        break;
      case 'timestamp':
        // RFC 3261 §8.2.6.1: a 100 repeats the Timestamp.
        if (status === 100) headers.push(field);
        break;
      default:
    }
  }
  if (options.headers !== undefined) headers.push(...options.headers);
  if (options.contentType !== undefined) headers.push(headerField('Content-Type', options.contentType));
  const body = options.body ?? emptyBody;
  return { kind: 'response', status, reason, headers, body, callId, cseq, from, to, via };
}

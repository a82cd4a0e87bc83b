import {
  defaultMessageLimits,
  parseMessage,
  type SipRequest,
  type SipResponse,
} from '../../../src/sip/message/index.ts';

/** Bytes of lines that end in CRLF each; the blank line and a body are the caller's. */
export function lines(...text: readonly string[]): Buffer {
  return Buffer.from(text.map((line) => `${line}\r\n`).join(''), 'latin1');
}

const defaults: Readonly<Record<string, string>> = {
  Via: 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport',
  'Max-Forwards': '70',
  From: '"Alice" <sip:alice@example.com>;tag=f1',
  To: '<sip:bob@example.com>',
  'Call-ID': 'c1@example.com',
  CSeq: '1 INVITE',
};

export interface RequestParts {
  readonly start?: string;
  /** Replaces a header of the default set; undefined leaves it out. */
  readonly set?: Readonly<Record<string, string | undefined>>;
  readonly extra?: readonly string[];
  readonly body?: string;
}

/** The bytes of an INVITE with every required header, changed as told. */
export function requestBytes(parts: RequestParts = {}): Buffer {
  const headers = Object.entries({ ...defaults, ...parts.set })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}`);
  const head = lines(
    parts.start ?? 'INVITE sip:bob@example.com SIP/2.0',
    ...headers,
    ...(parts.extra ?? []),
    '',
  );
  return Buffer.concat([head, Buffer.from(parts.body ?? '', 'latin1')]);
}

export function parseRequest(bytes: Uint8Array): SipRequest {
  const message = parseMessage(bytes, defaultMessageLimits);
  if (message.kind !== 'request') throw new TypeError('not a request');
  return message;
}

export function parseResponse(bytes: Uint8Array): SipResponse {
  const message = parseMessage(bytes, defaultMessageLimits);
  if (message.kind !== 'response') throw new TypeError('not a response');
  return message;
}

export function request(parts: RequestParts = {}): SipRequest {
  return parseRequest(requestBytes(parts));
}

import { randomId, systemRandom } from '../../../src/base/index.ts';
import { testDomain } from '../../support/test-gateway.ts';

export interface RequestText {
  readonly method?: string;
  readonly uri?: string;
  /** Instead of a whole line; empty leaves it away. */
  readonly via?: string;
  readonly from?: string;
  readonly to?: string;
  readonly callId?: string;
  readonly cseq?: string;
  readonly maxForwards?: string;
  readonly contentLength?: string;
  /** Further lines, in front of Content-Length. */
  readonly more?: readonly string[];
  readonly body?: string;
}

/** The bytes of a request as latin1 text, right but for what a test puts into it; a valid OPTIONS to the gateway without. */
export function requestText(parts: RequestText = {}): string {
  const { method = 'OPTIONS', uri = `sip:${testDomain}`, body = '', more = [] } = parts;
  const lines = [
    `${method} ${uri} SIP/2.0`,
    parts.via ?? `Via: SIP/2.0/UDP 127.0.0.1:5060;branch=${newBranch()};rport`,
    parts.from ?? `From: <sip:stranger@${testDomain}>;tag=${randomId(systemRandom, 40)}`,
    parts.to ?? `To: <${uri}>`,
    parts.callId ?? `Call-ID: ${newCallId()}`,
    parts.cseq ?? `CSeq: 1 ${method}`,
    parts.maxForwards ?? 'Max-Forwards: 70',
    ...more,
    parts.contentLength ?? `Content-Length: ${Buffer.byteLength(body, 'latin1')}`,
  ].filter((line) => line !== '');
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

export function newBranch(): string {
  return `z9hG4bK${randomId(systemRandom, 80)}`;
}

export function newCallId(): string {
  return randomId(systemRandom, 80);
}

/** The status of the first response in `text`; 0 when there is none. */
export function statusOf(text: string): number {
  return text.startsWith('SIP/2.0 ') ? Number(text.slice(8, 11)) : 0;
}

import { type BencodedDictionary, decodeBencode, encodeBencode, type ToBencode } from './bencode.ts';
import { RtpengineError } from './rtpengine-error.ts';

export type NgCommand = 'ping' | 'offer' | 'answer' | 'delete' | 'query';

/** What stands in a request beside its command. */
export type NgParameters = Readonly<Record<string, ToBencode | undefined>>;

/** Enough to be told apart by, and never more than what we have chosen ourselves. */
const maxCookieLength = 64;

/** `cookie SP dictionary`: rtpengine answers a request that comes again with the same cookie from its memory. */
export function encodeRequest(cookie: string, command: NgCommand, parameters: NgParameters): Buffer {
  return Buffer.from(`${cookie} ${encodeBencode({ command, ...parameters })}`, 'latin1');
}

export interface NgReply {
  readonly cookie: string;
  readonly body: BencodedDictionary;
}

/** Throws RtpengineError: whatever can send to our port may have written it. */
export function parseReply(datagram: Uint8Array): NgReply {
  const text = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength).toString('latin1');
  const space = text.indexOf(' ');
  if (space <= 0 || space > maxCookieLength) throw new RtpengineError('bad-message');
  const body = decodeBencode(text.slice(space + 1));
  if (!(body instanceof Map)) throw new RtpengineError('bad-message');
  return { cookie: text.slice(0, space), body };
}

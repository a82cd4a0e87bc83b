import { deepStrictEqual, ok, strictEqual } from 'node:assert';
import {
  type Bencoded,
  decodeBencode,
  encodeBencode,
  type ToBencode,
} from '../../src/media/rtpengine/bencode.ts';
import { parseReply } from '../../src/media/rtpengine/ng-message.ts';
import { RtpengineError } from '../../src/media/rtpengine/rtpengine-error.ts';
import {
  defaultMessageLimits,
  parseAuthValue,
  parseContact,
  parseMessage,
  parseUri,
  parseVia,
  readContacts,
  SipParseError,
  StreamFramer,
  sameUri,
  serializeAuthValue,
  serializeMessage,
  serializeNameAddr,
  serializeRejection,
  serializeUri,
  serializeVia,
} from '../../src/sip/message/index.ts';
import { parseProxyHeader } from '../../src/sip/transport/proxy-header.ts';
import { answerStun, isStun } from '../../src/sip/transport/stun.ts';
import { TransportError } from '../../src/sip/transport/transport-error.ts';
import { decodeCbor, decodeIntentToken, encodeCbor, TokenError } from '../../src/tokens/index.ts';

/** Takes any bytes. Throws when the code under it is wrong: another error than its area's own, or a broken law. */
export type FuzzTarget = (bytes: Uint8Array) => void;

const limits = defaultMessageLimits;
const maxProxyHeaderBytes = 512;

type OwnError = typeof SipParseError | typeof TransportError | typeof TokenError | typeof RtpengineError;

/** What `read` returns, or undefined when it refuses its input in the way that its area promises. */
function unlessRefused<Result>(area: OwnError, read: () => Result): Result | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof area) return undefined;
    throw error;
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

/** What was parsed and written again reads as before. */
function staysTheSame<Value>(
  text: string,
  parse: (text: string) => Value,
  write: (value: Value) => string,
): Value | undefined {
  const value = unlessRefused(SipParseError, () => parse(text));
  if (value === undefined) return undefined;
  const written = write(value);
  strictEqual(write(parse(written)), written);
  return value;
}

function message(bytes: Uint8Array): void {
  try {
    const parsed = parseMessage(bytes, limits);
    unlessRefused(SipParseError, () => readContacts(parsed));
    if (parsed.kind === 'request') unlessRefused(SipParseError, () => parseUri(parsed.uri));
    deepStrictEqual(parseMessage(serializeMessage(parsed), limits, 'refuse'), parsed);
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error;
    const source = { address: '192.0.2.7', port: 5060 };
    const answer = serializeRejection(error, undefined, { toTag: 't', source });
    // Nothing of a stranger's may become a header field of its own, or a second message, in our answer.
    if (answer !== undefined) strictEqual(latin1(answer).split('\r\n\r\n').length, 2);
  }
}

function framesOf(chunks: readonly Uint8Array[]): readonly string[] {
  const framer = new StreamFramer(limits);
  const frames: string[] = [];
  try {
    for (const chunk of chunks) {
      framer.push(chunk);
      for (let frame = framer.next(); frame !== undefined; frame = framer.next())
        frames.push(typeof frame === 'string' ? frame : `frame ${latin1(frame)}`);
    }
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error;
    frames.push(`error ${error.code}`);
  }
  return frames;
}

/** The first byte says into how many pieces the others are cut. */
function streamFramer(bytes: Uint8Array): void {
  const stream = bytes.subarray(1);
  const step = (bytes[0] ?? 0) + 1;
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < stream.length; at += step) pieces.push(stream.slice(at, at + step));
  const whole = framesOf([stream]);
  deepStrictEqual(framesOf(pieces), whole);
  for (const frame of whole) {
    if (!frame.startsWith('frame ')) continue;
    try {
      parseMessage(Buffer.from(frame.slice('frame '.length), 'latin1'), limits, 'refuse');
    } catch (error) {
      // Framer and parser must agree on where a message ends: else one smuggles a second one past the other.
      if (!(error instanceof SipParseError)) throw error;
      ok(error.code !== 'truncated' && error.code !== 'excess-bytes', error.code);
    }
  }
}

function stun(bytes: Uint8Array): void {
  if (!isStun(bytes)) return;
  for (const address of ['192.0.2.7', '2001:db8::7']) {
    const answer = answerStun(bytes, address, 5060);
    if (answer === undefined) continue;
    ok(isStun(answer));
    strictEqual(answer.readUInt16BE(2) + 20, answer.length);
    // An answer to a forged source must be no weapon: it is longer by the source's address, and by nothing else.
    ok(answer.length <= bytes.length + (address.includes(':') ? 24 : 12));
  }
}

function proxyHeader(bytes: Uint8Array): void {
  const header = unlessRefused(TransportError, () => parseProxyHeader(bytes, maxProxyHeaderBytes));
  if (header === undefined) return;
  ok(header.length > 0 && header.length <= bytes.length);
  for (let end = 0; end < header.length; end++)
    strictEqual(
      parseProxyHeader(bytes.subarray(0, end), maxProxyHeaderBytes),
      undefined,
      `complete at ${end} of ${header.length}`,
    );
}

/** What stands behind the cookie of a reply; its keys come in any order. */
function bencode(bytes: Uint8Array): void {
  const reply = unlessRefused(RtpengineError, () => parseReply(bytes));
  if (reply === undefined) return;
  const again = decodeBencode(encodeBencode(encodable(reply.body)));
  deepStrictEqual(again, reply.body);
}

function encodable(value: Bencoded): ToBencode {
  if (typeof value === 'string' || typeof value === 'number') return value;
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, member]) => [key, encodable(member)]));
  return [...value.values()].map(encodable);
}

/** Each input is tried as the header's text and as the bytes that the text stands for. */
function intentToken(bytes: Uint8Array): void {
  unlessRefused(TokenError, () => decodeIntentToken(latin1(bytes)));
  const value = Buffer.from(bytes).toString('base64url');
  const token = unlessRefused(TokenError, () => decodeIntentToken(value));
  if (token !== undefined) deepStrictEqual(Buffer.from(token.bytes), Buffer.from(bytes));
}

/** By the name of the folder that holds a target's corpus. */
export const fuzzTargets: Readonly<Record<string, FuzzTarget>> = {
  message,
  'stream-framer': streamFramer,
  uri: (bytes) => {
    const uri = staysTheSame(latin1(bytes), parseUri, serializeUri);
    if (uri !== undefined) ok(sameUri(uri, uri));
  },
  via: (bytes) => void staysTheSame(latin1(bytes), (text) => parseVia(text), serializeVia),
  contact: (bytes) =>
    void staysTheSame(latin1(bytes), parseContact, ({ address }) => serializeNameAddr(address)),
  'auth-value': (bytes) =>
    void staysTheSame(latin1(bytes), parseAuthValue, ({ scheme, params }) =>
      serializeAuthValue(scheme, params, 'credentials'),
    ),
  bencode,
  stun,
  'proxy-header': proxyHeader,
  cbor: (bytes) => {
    const value = unlessRefused(TokenError, () => decodeCbor(bytes));
    if (value !== undefined) deepStrictEqual(Buffer.from(encodeCbor(value)), Buffer.from(bytes));
  },
  'intent-token': intentToken,
};

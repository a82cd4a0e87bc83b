import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createNameAddr,
  createRequest,
  createResponse,
  createSipUri,
  createVia,
  defaultMessageLimits,
  headerField,
  parseAuthValue,
  parseContact,
  parseMessage,
  parseNameAddr,
  parseUri,
  parseVia,
  readContacts,
  SipParseError,
  StreamFramer,
  sameUri,
  serializeMessage,
  serializeNameAddr,
  serializeRejection,
  serializeUri,
  serializeVia,
  splitCommaList,
} from '../../../src/sip/message/index.ts';

const limits = defaultMessageLimits;

/** What `run` returns, or undefined when it throws a SipParseError; any other error fails the property. */
function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof SipParseError) {
      if (error.partial !== undefined) serializeRejection(error);
      return undefined;
    }
    throw error;
  }
}

const folder = new URL('../../vectors/rfc4475/', import.meta.url);
const torture = readdirSync(folder)
  .filter((name) => name.endsWith('.dat'))
  .map((name) => readFileSync(new URL(name, folder)));

/** A torture message with a few bytes replaced, removed or inserted: reaches what random bytes never do. */
const mutated = fc
  .tuple(
    fc.constantFrom(...torture),
    fc.array(
      fc.tuple(
        fc.nat(4_000),
        fc.nat(2),
        fc.oneof(fc.constantFrom(...Buffer.from('\r\n ,;:"<>\\=@%\0\tlL0')), fc.nat(255)),
      ),
      {
        maxLength: 6,
      },
    ),
  )
  .map(([original, edits]) => {
    let bytes = original;
    for (const [where, removed, byte] of edits) {
      const at = where % (bytes.length + 1);
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.of(byte), bytes.subarray(at + removed)]);
    }
    return bytes;
  });

/** Text of the characters that grammars turn on. */
const tricky = fc.string({
  unit: fc.constantFrom(...'ab1 ,;:"<>\\=@%[]?&\t'.split(''), 'sip:', 'tag', 'SIP/2.0/UDP ', 'Digest '),
  maxLength: 30,
});

describe('hostile input only ever raises SipParseError', () => {
  it('in parseMessage, and what is accepted reads the same after it was written', () => {
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 400 })), (bytes) => {
        const message = attempt(() => parseMessage(bytes, limits));
        if (message === undefined) return;
        attempt(() => readContacts(message));
        if (message.kind === 'request') attempt(() => parseUri(message.uri));
        expect(parseMessage(serializeMessage(message), limits, 'refuse')).toEqual(message);
      }),
      { numRuns: 3_000 },
    );
  });

  it('in StreamFramer, whatever the chunks, and each frame is one whole message', () => {
    fc.assert(
      fc.property(
        fc.array(mutated, { maxLength: 3 }),
        fc.array(fc.nat(600), { maxLength: 12 }),
        (messages, cuts) => {
          const stream = Buffer.concat(messages);
          const whole = framesOf([stream]);
          const chunks: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) {
            chunks.push(stream.subarray(at, at + cut));
            at += cut;
          }
          chunks.push(stream.subarray(at));
          expect(framesOf(chunks)).toEqual(whole);
          for (const frame of whole) {
            if (frame.startsWith('keepalive') || frame.startsWith('error')) continue;
            try {
              parseMessage(Buffer.from(frame, 'latin1'), limits, 'refuse');
            } catch (error) {
              // Framer and parser must agree on where the message ends.
              expect(
                error instanceof SipParseError && !['truncated', 'excess-bytes'].includes(error.code),
              ).toBe(true);
            }
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it('in the parsers of single values', () => {
    fc.assert(
      fc.property(fc.oneof(tricky, fc.string()), (text) => {
        splitCommaList(text);
        attempt(() => parseNameAddr(text));
        attempt(() => parseContact(text));
        attempt(() => parseVia(text));
        attempt(() => parseAuthValue(text));
        const uri = attempt(() => parseUri(text));
        if (uri !== undefined) expect(sameUri(uri, uri)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });
});

/** Frames as text, and the code of the error that ended the stream. */
function framesOf(chunks: readonly Buffer[]): string[] {
  const framer = new StreamFramer(limits);
  const frames: string[] = [];
  try {
    for (const chunk of chunks) {
      framer.push(Buffer.from(chunk));
      for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
        frames.push(typeof frame === 'string' ? frame : Buffer.from(frame).toString('latin1'));
      }
    }
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error;
    frames.push(`error ${error.code}`);
  }
  return frames;
}

const token = fc.string({
  unit: fc.constantFrom(..."abzAZ09-.!%*_+`'~".split('')),
  minLength: 1,
  maxLength: 12,
});
const host = fc.constantFrom('example.com', '192.0.2.1', '[2001:db8::1]', 'a-b.c');
const port = fc.option(fc.integer({ min: 0, max: 65_535 }), { nil: undefined });
const sipUri = fc
  .record({
    user: fc.option(fc.string({ minLength: 1, maxLength: 12, unit: 'binary' }), { nil: undefined }),
    host,
    port,
  })
  .map(createSipUri);
const printable = fc.string({
  unit: fc
    .integer({ min: 32, max: 255 })
    .filter((code) => code !== 127)
    .map((code) => String.fromCharCode(code)),
});
const address = fc
  .tuple(sipUri, fc.option(printable, { nil: undefined }), fc.option(token, { nil: undefined }))
  .map(([uri, name, tag]) =>
    createNameAddr(serializeUri(uri), name, tag === undefined ? [] : [{ name: 'tag', value: tag }]),
  );
const via = fc
  .record({
    transport: fc.constantFrom('UDP', 'TCP', 'TLS', 'WS', 'WSS'),
    host,
    port,
    branch: token,
    rport: fc.boolean(),
  })
  .map(createVia);
const extra = fc
  .tuple(
    token.filter((name) => name.length > 1),
    printable,
  )
  .map(([name, value]) => headerField(`X-${name}`, value.trim()));
const request = fc
  .record({
    method: token.filter((method) => !method.startsWith('SIP/')),
    uri: sipUri.map(serializeUri),
    via,
    from: address,
    to: address,
    callId: token,
    cseq: fc.nat(0x7fff_ffff),
    maxForwards: fc.nat(255),
    headers: fc.array(extra, { maxLength: 5 }),
    body: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  })
  .map(createRequest);

describe('what we write is read back the same', () => {
  it('requests and responses', () => {
    fc.assert(
      fc.property(request, fc.integer({ min: 100, max: 699 }), token, (message, status, toTag) => {
        expect(parseMessage(serializeMessage(message), limits)).toEqual({
          ...message,
          body: view(message.body),
        });
        const response = createResponse(message, status, undefined, { toTag });
        expect(parseMessage(serializeMessage(response), limits)).toEqual(response);
      }),
      { numRuns: 500 },
    );
  });

  it('URIs, addresses and Vias', () => {
    fc.assert(
      fc.property(sipUri, address, via, (uri, party, hop) => {
        expect(parseUri(serializeUri(uri))).toEqual(uri);
        expect(parseNameAddr(serializeNameAddr(party))).toEqual(party);
        expect(parseVia(serializeVia(hop))).toEqual(hop);
      }),
    );
  });
});

/** An empty body is always the same empty array. */
function view(body: Uint8Array): Uint8Array {
  return body.length === 0 ? new Uint8Array(0) : body;
}

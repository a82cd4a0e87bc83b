import { once } from 'node:events';
import { Inviter, UserAgent } from 'sip.js';
import { afterEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { systemClock, systemRandom } from '../../src/base/index.ts';
import { intentRequestOf } from '../../src/intent/index.ts';
import {
  createResponse,
  defaultMessageLimits,
  headerValue,
  headerValues,
  parseMessage,
  type SipMessage,
  type SipRequest,
  type SipResponse,
  serializeMessage,
  utf8Text,
} from '../../src/sip/index.ts';
import { IntentSigner, signingTransport, silentSessions } from '../../src/softphone/index.ts';
import { checkIntent, decodeIntentToken, verifyIntentToken } from '../../src/tokens/index.ts';
import { newIdentity } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';

const identity = newIdentity('jis:zoe');
const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

function createSigner(): IntentSigner {
  return new IntentSigner({
    ...identity,
    clock: systemClock,
    random: systemRandom,
    declaredIntent: () => undefined,
  });
}

/** A WebSocket server that only keeps what it gets, and a SIP.js user agent that is connected to it. */
async function connect(options: { readonly keepAliveInterval?: number } = {}) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'sip' });
  await once(server, 'listening');
  const received: string[] = [];
  const written: string[] = [];
  let socket: WebSocket | undefined;
  server.on('connection', (connection) => {
    socket = connection;
    connection.on('message', (data: Buffer) => received.push(data.toString('utf8')));
  });
  const signer = createSigner();
  const { port } = server.address() as { port: number };
  const uri = UserAgent.makeURI('sip:zoe@sip.test');
  if (uri === undefined) throw new Error('no address');
  const agent = new UserAgent({
    uri,
    displayName: 'Zoë Müller 電話',
    logBuiltinEnabled: false,
    gracefulShutdown: false,
    sessionDescriptionHandlerFactory: silentSessions(),
    transportConstructor: signingTransport({
      outgoing: (message) => {
        written.push(message);
        return signer.outgoing(message);
      },
      incoming: (message) => signer.incoming(message),
    }),
    transportOptions: { server: `ws://127.0.0.1:${port}`, ...options },
  });
  open.push(() => server.close());
  open.push(() => socket?.terminate());
  open.push(() => agent.stop());
  await agent.start();
  return {
    agent,
    written,
    received,
    reply: (message: SipMessage | string) =>
      socket?.send(typeof message === 'string' ? message : serializeMessage(message)),
    arrived: (count: number) => until(`${count} messages arrive`, () => received.length >= count),
  };
}

function requestIn(text: string | undefined): SipRequest {
  const message = parseMessage(Buffer.from(text ?? '', 'utf8'), defaultMessageLimits);
  if (message.kind !== 'request') throw new Error('not a request');
  return message;
}

function ok(request: SipRequest, headers: SipResponse['headers'] = []): SipResponse {
  const contact = { name: 'contact', rawName: 'Contact', value: '<sip:bob@192.0.2.1>' };
  const description =
    request.method === 'INVITE' ? { body: request.body, contentType: 'application/sdp' } : {};
  return createResponse(request, 200, undefined, {
    toTag: 'bob',
    headers: [contact, ...headers],
    ...description,
  });
}

describe('the signing transport', () => {
  it('signs every request once, where SIP.js sends it, and changes no other byte', async () => {
    const phone = await connect();
    const target = UserAgent.makeURI('sip:bob@sip.test');
    if (target === undefined) throw new Error('no address');
    const call = new Inviter(phone.agent, target, { extraHeaders: ['Subject: Rückruf für Zoë ☎'] });
    await call.invite();
    await phone.arrived(1);
    const invite = requestIn(phone.received[0]);
    phone.reply(ok(invite));
    await phone.arrived(2);
    await call.bye();
    await phone.arrived(3);
    phone.reply(ok(requestIn(phone.received[2])));

    expect(phone.received.map((text) => requestIn(text).method)).toEqual(['INVITE', 'ACK', 'BYE']);
    phone.received.forEach((text, at) => {
      const request = requestIn(text);
      expect(headerValues(request, 'intent-token')).toHaveLength(1);
      expect(text.replace(/\r\nIntent-Token: [\w-]+\r\n/, '\r\n')).toBe(phone.written[at]);
      const token = decodeIntentToken(headerValue(request, 'intent-token') ?? '');
      expect(verifyIntentToken(token, identity.token.publicKey)).toBe(true);
      expect(
        checkIntent(token, {
          audience: 'sip.test',
          request: intentRequestOf(request),
          calleeAddresses: { address: 'bob@sip.test' },
          now: Math.floor(Date.now() / 1000),
        }),
      ).toBeUndefined();
    });
    expect(new Set(phone.received.map((text) => headerValue(requestIn(text), 'intent-token'))).size).toBe(3);
  });

  it('passes display names and a Subject on in UTF-8 (RFC 3261 §25.1)', async () => {
    const phone = await connect();
    const target = UserAgent.makeURI('sip:bob@sip.test');
    if (target === undefined) throw new Error('no address');
    const call = new Inviter(phone.agent, target, { extraHeaders: ['Subject: Rückruf für Zoë ☎'] });
    await call.invite();
    await phone.arrived(1);
    const invite = requestIn(phone.received[0]);
    expect(utf8Text(headerValue(invite, 'subject') ?? '')).toBe('Rückruf für Zoë ☎');
    expect(utf8Text(headerValue(invite, 'from') ?? '')).toContain('"Zoë Müller 電話" <sip:zoe@sip.test>');
    expect(
      verifyIntentToken(
        decodeIntentToken(headerValue(invite, 'intent-token') ?? ''),
        identity.token.publicKey,
      ),
    ).toBe(true);
    await call.cancel();
  });

  it('leaves responses as SIP.js wrote them', async () => {
    const phone = await connect();
    phone.reply(
      [
        'OPTIONS sip:zoe@sip.test SIP/2.0',
        'Via: SIP/2.0/WS peer.invalid;branch=z9hG4bKoptions',
        'Max-Forwards: 70',
        'From: <sip:laptop%3Abob@sip.test>;tag=1',
        'To: <sip:zoe@sip.test>',
        'Call-ID: options',
        'CSeq: 1 OPTIONS',
        'Content-Length: 0',
        '\r\n',
      ].join('\r\n'),
    );
    await phone.arrived(1);
    expect(phone.received[0]).toMatch(/^SIP\/2\.0 200 /);
    expect(phone.received).toEqual(phone.written);
    expect(phone.received[0]).not.toContain('Intent-Token');
    expect(phone.received[0]).toContain('<sip:laptop%3Abob@sip.test>;tag=1');
  });

  it('lets keepalives through (RFC 7118 §6)', async () => {
    const phone = await connect({ keepAliveInterval: 0.02 });
    await phone.arrived(1);
    expect(phone.received[0]).toBe('\r\n\r\n');
  });

  it('survives what is no SIP', async () => {
    const phone = await connect();
    for (const text of ['SIP/2.0 nonsense\r\n\r\n', 'SIP/2.0 200 OK\r\n\r\n', '\0', 'x'.repeat(70_000)])
      phone.reply(text);
    const target = UserAgent.makeURI('sip:bob@sip.test');
    if (target === undefined) throw new Error('no address');
    const call = new Inviter(phone.agent, target);
    await call.invite();
    await phone.arrived(1);
    expect(requestIn(phone.received[0]).method).toBe('INVITE');
    await call.cancel();
  });
});

describe('the intent signer', () => {
  const register = [
    'REGISTER sip:sip.test SIP/2.0',
    'Via: SIP/2.0/WS phone.invalid;branch=z9hG4bK1',
    'Max-Forwards: 70',
    'From: <sip:zoe@sip.test>;tag=1',
    'To: <sip:zoe@sip.test>',
    'Call-ID: register',
    'CSeq: 1 REGISTER',
    'Contact: <sip:zoe@phone.invalid>',
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n');
  const tokenOf = (text: string) => decodeIntentToken(headerValue(requestIn(text), 'intent-token') ?? '');
  const answer = (status: number, headers: Readonly<Record<string, string>> = {}): string => {
    const fields = Object.entries(headers).map(([name, value]) => ({
      name: name.toLowerCase(),
      rawName: name,
      value,
    }));
    return Buffer.from(
      serializeMessage(
        createResponse(requestIn(register), status, undefined, { toTag: 'x', headers: fields }),
      ),
    ).toString('utf8');
  };

  it('shows its identity token until a gateway has accepted it, and again on a new connection', () => {
    const signer = createSigner();
    const carried = (): boolean => tokenOf(signer.outgoing(register)).identityToken !== undefined;
    expect(carried()).toBe(true);
    signer.incoming(answer(100));
    signer.incoming(answer(200));
    expect(carried()).toBe(false);
    signer.reset();
    expect(carried()).toBe(true);
  });

  it('signs the nonce that it was given, by the clock of the gateway that gave it', () => {
    const signer = createSigner();
    const nonce = Buffer.from('0123456789abcdef');
    const date = new Date(Math.floor(Date.now() / 1000) * 1000 + 4 * 86_400_000);
    signer.incoming(answer(403, { 'Intent-Nonce': nonce.toString('base64url'), Date: date.toUTCString() }));
    const token = tokenOf(signer.outgoing(register));
    expect(token.nonce).toEqual(new Uint8Array(nonce));
    expect(Math.abs(token.issuedAt - date.getTime() / 1000)).toBeLessThanOrEqual(1);
    signer.reset();
    expect(tokenOf(signer.outgoing(register)).nonce).toBeUndefined();
  });

  it('never signs beyond the end of its identity', () => {
    const token = tokenOf(createSigner().outgoing(register));
    expect(token.expires).toBeLessThanOrEqual(identity.token.expires);
    const late = new IntentSigner({
      ...identity,
      clock: { ...systemClock, now: () => (identity.token.expires - 30) * 1000 },
      random: systemRandom,
      declaredIntent: () => undefined,
    });
    expect(tokenOf(late.outgoing(register)).expires).toBe(identity.token.expires);
  });

  it('signs with a clock that is years ahead, so that the gateway can say what time it is', () => {
    const ahead = new IntentSigner({
      ...identity,
      clock: { ...systemClock, now: () => Date.now() + 1e12 },
      random: systemRandom,
      declaredIntent: () => undefined,
    });
    expect(tokenOf(ahead.outgoing(register)).issuedAt).toBeLessThan(identity.token.expires);
  });

  it('leaves a request alone that carries a token already', () => {
    const signer = createSigner();
    const signed = signer.outgoing(register);
    expect(signer.outgoing(signed)).toBe(signed);
  });
});

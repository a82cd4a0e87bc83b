import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { defaultMessageLimits } from '../../src/sip/index.ts';
import { TestGateway } from '../support/test-gateway.ts';
import { expectAlive } from './support/alive.ts';
import { RawTcp } from './support/raw-wire.ts';
import { requestText, statusOf } from './support/request-text.ts';

const origin = 'https://phone.sip.test';
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.open({ set: [`websocket.origins=${origin}`] });
});
afterEach(() => expectAlive(gateway));
afterAll(() => gateway.close());

describe('WebSocket', () => {
  /** The HTTP status of an upgrade that is asked for with these header lines. */
  async function upgrade(...lines: readonly string[]): Promise<number> {
    const wire = await RawTcp.open(gateway.port('ws'));
    const head = [
      'GET / HTTP/1.1',
      'Host: sip.test',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      ...lines,
    ];
    const answer = await wire.ask(`${head.join('\r\n')}\r\n\r\n`);
    wire.close();
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
  }

  it('edge 17: an Origin that is not configured gets HTTP 403', async () => {
    const sip = 'Sec-WebSocket-Protocol: sip';
    expect(await upgrade(sip, 'Origin: https://evil.test')).toBe(403);
    expect(await upgrade(sip, `Origin: ${origin}.evil.test`)).toBe(403);
    expect(await upgrade(sip, 'Origin: null')).toBe(403);
    expect(await upgrade(sip, `Origin: ${origin}`)).toBe(101);
  });

  it('edge 17: without the subprotocol sip: HTTP 400 (RFC 7118 §4.1)', async () => {
    expect(await upgrade()).toBe(400);
    expect(await upgrade('Sec-WebSocket-Protocol: chat, sipx')).toBe(400);
  });

  async function openSocket(): Promise<{ readonly socket: WebSocket; readonly said: string[] }> {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port('ws')}`, 'sip');
    const said: string[] = [];
    socket.on('message', (data: Buffer) => said.push(data.toString('latin1')));
    await once(socket, 'open');
    return { socket, said };
  }

  it('edge 18: an oversized message: close code 1009', async () => {
    const { socket } = await openSocket();
    socket.send('a'.repeat(defaultMessageLimits.maxMessageBytes + 1));
    expect((await once(socket, 'close'))[0]).toBe(1009);
  });

  it('edge 18: text that is no UTF-8: close code 1007', async () => {
    const { socket } = await openSocket();
    socket.send(Buffer.from(requestText({ more: ['Subject: \xff\xfe'] }), 'latin1'), { binary: false });
    expect((await once(socket, 'close'))[0]).toBe(1007);
  });

  it('edge 18: two SIP messages in one: 400, and the connection is closed (RFC 7118 §5)', async () => {
    const { socket, said } = await openSocket();
    socket.send(requestText() + requestText());
    await once(socket, 'close');
    expect(said.map(statusOf)).toEqual([400]);
  });
});

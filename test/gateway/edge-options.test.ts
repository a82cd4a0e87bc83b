import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { proxyV2 } from '../support/proxy-header.ts';
import { TestGateway, testDomain } from '../support/test-gateway.ts';

let gateway: TestGateway;
const closing: (() => void)[] = [];

beforeAll(async () => {
  gateway = await TestGateway.open({
    set: [
      'proxyProtocol.from=127.0.0.1',
      'websocket.origins=https://phone.example.org',
      'peers=[{name: pbx, match: [203.0.113.0/24], target: "tcp://192.0.2.1:5060", role: pbx, probe: {intervalMs: 0}}]',
    ],
  });
});

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

afterAll(() => gateway.close());

/** What the gateway answers first to an INVITE through the balancer, 100 left out. */
async function invited(source: string): Promise<string> {
  const socket = connect(gateway.port('tcp'), '127.0.0.1');
  closing.push(() => void socket.destroy());
  socket.write(proxyV2({ source: [source, 40_000], destination: ['198.51.100.1', 5_060] }));
  socket.write(
    [
      `INVITE sip:nobody@${testDomain} SIP/2.0`,
      `Via: SIP/2.0/TCP phone.example;rport;branch=z9hG4bK${source}`,
      'Max-Forwards: 70',
      `From: <sip:someone@${testDomain}>;tag=a`,
      `To: <sip:nobody@${testDomain}>`,
      `Call-ID: ${source}`,
      'CSeq: 1 INVITE',
      'Contact: <sip:someone@phone.example>',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n'),
  );
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    const final = text.indexOf('SIP/2.0 4');
    if (final >= 0 && text.endsWith('\r\n\r\n')) return text.slice(final);
  }
  return text;
}

describe('proxyProtocol.from', () => {
  it('names the real source: a phone is challenged there, a peer is known by it', async () => {
    const phone = await invited('198.51.100.77');
    expect(phone).toMatch(/^SIP\/2.0 407/);
    expect(phone).toContain('received=198.51.100.77');
    expect(phone).toContain('rport=40000');
    expect(await invited('203.0.113.5')).toMatch(/^SIP\/2.0 404/);
  });
});

describe('websocket.origins', () => {
  it('turns pages of other origins away with 403', async () => {
    const options = { origin: 'https://evil.example.org' };
    const webSocket = new WebSocket(`ws://127.0.0.1:${gateway.port('ws')}`, 'sip', {
      ...options,
      createConnection: () => {
        const socket = connect(gateway.port('ws'), '127.0.0.1');
        socket.write(proxyV2({ source: ['198.51.100.77', 40_001], destination: ['198.51.100.1', 80] }));
        return socket;
      },
    });
    const [error] = (await once(webSocket, 'error')) as [Error];
    expect(error.message).toContain('403');
  });
});

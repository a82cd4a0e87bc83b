import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { WebSocketFrames, webSocketFrame } from './websocket-frames.ts';

export type WireTransport = 'udp' | 'tcp' | 'tls' | 'ws';

/** A phone's end of one connection, or one UDP socket. */
export interface Wire {
  readonly transport: WireTransport;
  readonly address: string;
  readonly port: number;
  send(text: string): void;
  /** As a lost network does it: nobody says goodbye. */
  cut(): void;
}

export interface WireOptions {
  readonly transport: WireTransport;
  /** On 127.0.0.1. */
  readonly port: number;
  /** Where the phone is: any address of 127.0.0.0/8. */
  readonly localAddress: string;
  /** Over UDP; default is any. */
  readonly localPort?: number;
  readonly receive: (text: string, wire: Wire) => void;
}

const server = '127.0.0.1';

export async function openWire(options: WireOptions): Promise<Wire> {
  const { transport, port, localAddress } = options;
  if (transport === 'udp') return openUdp(options);
  const socket = connect({ port, host: server, localAddress, noDelay: true });
  // Whoever waits for an answer on it notices.
  socket.on('error', () => {});
  await connected(socket, 'connect');
  if (transport === 'tcp') return openStream(options, socket, socket);
  if (transport === 'ws') return openWebSocket(options, socket);
  // Which certificate is shown is not the question here.
  const secure = connectTls({ socket, rejectUnauthorized: false });
  secure.on('error', () => {});
  await connected(secure, 'secureConnect');
  return openStream(options, secure, socket);
}

async function openUdp({ port, localAddress, localPort = 0, receive }: WireOptions): Promise<Wire> {
  const socket = createSocket({
    type: 'udp4',
    recvBufferSize: 4_194_304,
    // An address needs no look-up, and `send` would make one each time.
    lookup: (host, _, done) => done(null, host, 4),
  });
  // Bound at once, with a look-up that is.
  const listening = once(socket, 'listening');
  socket.bind(localPort, localAddress);
  await listening;
  const wire: Wire = {
    transport: 'udp',
    address: localAddress,
    port: socket.address().port,
    send: (text) => socket.send(Buffer.from(text, 'latin1'), port, server),
    cut: () => socket.close(),
  };
  socket.on('message', (bytes) => receive(bytes.toString('latin1'), wire));
  return wire;
}

/** `secured` is `socket` or what lies around it. */
function openStream(
  { transport, localAddress, receive }: WireOptions,
  secured: Socket,
  socket: Socket,
): Wire {
  const wire: Wire = {
    transport,
    address: localAddress,
    port: socket.localPort ?? 0,
    send: (text) => void secured.write(text, 'latin1'),
    cut: () => socket.destroy(),
  };
  let waiting = '';
  secured.on('data', (chunk: Buffer) => {
    waiting += chunk.toString('latin1');
    for (;;) {
      const headerEnd = waiting.indexOf('\r\n\r\n');
      if (headerEnd < 0) return;
      // Keepalives between messages.
      if (headerEnd === 0) {
        waiting = waiting.slice(4);
        continue;
      }
      const length = Number(/\r\nContent-Length: *(\d+)/i.exec(waiting)?.[1] ?? 0);
      const end = headerEnd + 4 + length;
      if (waiting.length < end) return;
      const text = waiting.slice(0, end);
      waiting = waiting.slice(end);
      receive(text, wire);
    }
  });
  return wire;
}

async function openWebSocket(options: WireOptions, socket: Socket): Promise<Wire> {
  socket.write(
    `GET / HTTP/1.1\r\nHost: ${server}:${options.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n` +
      'Sec-WebSocket-Protocol: sip\r\n\r\n',
  );
  const frames = new WebSocketFrames();
  const wire: Wire = {
    transport: 'ws',
    address: options.localAddress,
    port: socket.localPort ?? 0,
    send: (text) => void socket.write(webSocketFrame('text', Buffer.from(text, 'latin1'))),
    cut: () => socket.destroy(),
  };
  await new Promise<void>((upgraded, failed) => {
    socket.once('close', () => failed(new Error('closed before it was a WebSocket')));
    socket.on('data', (chunk: Buffer) => {
      for (const frame of frames.push(chunk)) {
        if (frame.kind === 'upgraded') upgraded();
        else if (frame.kind === 'ping') socket.write(webSocketFrame('pong', frame.payload));
        else if (frame.kind === 'data') options.receive(frame.payload.toString('latin1'), wire);
      }
    });
  });
  return wire;
}

function connected(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve());
    socket.once('close', () => reject(new Error('the connection was closed while it was opened')));
  });
}

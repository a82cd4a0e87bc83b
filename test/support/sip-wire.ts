import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { WebSocket } from 'ws';
import { defaultMessageLimits, parseMessage, type SipMessage, StreamFramer } from '../../src/sip/index.ts';

/** CRLF CRLF, RFC 5626 §4.4.1. */
const keepaliveBytes = 4;

export type WireTransport = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';

/** Who a phone over TLS wants to reach, and who vouches for it: the certificate itself, in PEM. */
export interface TlsTrust {
  readonly servername: string;
  readonly ca: string;
}

/** A user agent's end of one flow: a real socket on the loopback address. */
export interface Wire {
  readonly transport: WireTransport;
  readonly port: number;
  send(bytes: Uint8Array): void;
  /** Resolves when the socket is closed. */
  close(): Promise<void>;
}

export type Receive = (message: SipMessage) => void;

/** Opens a socket towards a gateway's port; `receive` gets each message, keepalives left out. */
export async function openWire(
  transport: WireTransport,
  gatewayPort: number,
  receive: Receive,
  trust?: TlsTrust,
): Promise<Wire> {
  switch (transport) {
    case 'udp':
      return await openUdp(gatewayPort, 0, receive);
    case 'tcp': {
      const socket = connect(gatewayPort, '127.0.0.1');
      await once(socket, 'connect');
      return openStream(transport, socket, receive);
    }
    case 'tls': {
      const socket = connectTls({ port: gatewayPort, host: '127.0.0.1', ...trust });
      await once(socket, 'secureConnect');
      return openStream(transport, socket, receive);
    }
    case 'ws':
    case 'wss':
      return await openWebSocket(transport, gatewayPort, receive, trust);
  }
}

/** Both ends of a wire that leaves this machine's loopback address, as in the lab. */
export interface WireAddresses {
  readonly gateway: string;
  readonly local: string;
}

const loopback: WireAddresses = { gateway: '127.0.0.1', local: '127.0.0.1' };

/** `localPort` lets a phone keep its address while the gateway restarts; 0 takes any. */
export async function openUdp(
  gatewayPort: number,
  localPort: number,
  receive: Receive,
  addresses: WireAddresses = loopback,
): Promise<Wire> {
  const socket = createSocket('udp4');
  socket.on('message', (bytes) => {
    if (bytes.length > keepaliveBytes) receive(parseMessage(bytes, defaultMessageLimits));
  });
  socket.bind(localPort, addresses.local);
  await once(socket, 'listening');
  return {
    transport: 'udp',
    port: socket.address().port,
    send: (bytes) => socket.send(bytes, gatewayPort, addresses.gateway),
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function openStream(transport: 'tcp' | 'tls', socket: Socket, receive: Receive): Wire {
  socket.setNoDelay(true);
  // The gateway may cut a connection that misbehaves.
  socket.on('error', () => {});
  const framer = new StreamFramer(defaultMessageLimits, 'opened');
  socket.on('data', (chunk: Buffer) => {
    framer.push(chunk);
    for (let frame = framer.next(); frame !== undefined; frame = framer.next())
      if (typeof frame !== 'string') receive(parseMessage(frame, defaultMessageLimits));
  });
  const closed = once(socket, 'close');
  return {
    transport,
    port: socket.localPort ?? 0,
    send: (bytes) => void socket.write(bytes),
    close: async () => {
      socket.destroy();
      await closed;
    },
  };
}

async function openWebSocket(
  transport: 'ws' | 'wss',
  gatewayPort: number,
  receive: Receive,
  trust?: TlsTrust,
): Promise<Wire> {
  const socket = new WebSocket(`${transport}://127.0.0.1:${gatewayPort}`, 'sip', trust);
  socket.on('message', (data: Buffer) => {
    if (data.length > keepaliveBytes) receive(parseMessage(data, defaultMessageLimits));
  });
  await once(socket, 'open');
  const closed = once(socket, 'close');
  return {
    transport,
    port: 0,
    send: (bytes) => socket.send(bytes),
    close: async () => {
      // As a lost network does it: without a closing handshake.
      socket.terminate();
      await closed;
    },
  };
}

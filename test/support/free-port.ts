import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what the kernel gives to sockets that name no port (32768 and above), and away from media ports. */
const [lowest, beyond] = [10_000, 20_000];

/**
 * A port of 127.0.0.1 that nobody has over TCP or UDP, for a program that has to be told one. No other call, in
 * this process or another one, is given the same port while this process lives: it may be bound late.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, beyond);
    if ((await isReserved(port)) && (await isFree(port))) return port;
  }
}

/** A socket with a name and no file: the kernel takes it back when the process ends. */
async function isReserved(port: number): Promise<boolean> {
  const mark = createServer().unref();
  return bound(() => mark.listen(`\0tibet-sip-test-port-${port}`), mark);
}

async function isFree(port: number): Promise<boolean> {
  const [tcp, udp] = [createServer(), createSocket('udp4')];
  const free =
    (await bound(() => tcp.listen(port, '127.0.0.1'), tcp)) &&
    (await bound(() => udp.bind(port, '127.0.0.1'), udp));
  if (tcp.listening) await new Promise((resolve) => tcp.close(resolve));
  await new Promise<void>((resolve) => udp.close(resolve));
  return free;
}

async function bound(bind: () => unknown, socket: NodeJS.EventEmitter): Promise<boolean> {
  const listening = once(socket, 'listening').then(
    () => true,
    () => false,
  );
  bind();
  return await listening;
}

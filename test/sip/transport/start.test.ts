import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger, systemClock } from '../../../src/base/index.ts';
import {
  defaultTransportLimits,
  type ListenAddress,
  TransportError,
  TransportLayer,
} from '../../../src/sip/transport/index.ts';
import { AnsweringUser, listenAnywhere, startLayer } from './support.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function failure(listen: readonly ListenAddress[]): Promise<TransportError> {
  try {
    const { layer } = await startLayer({ listen });
    await layer.close();
  } catch (error) {
    if (error instanceof TransportError) return error;
    throw error;
  }
  throw new Error('the layer started');
}

/** As the kernel lists them. */
async function listeningSockets(port: number): Promise<number> {
  if (process.platform !== 'linux') return 1;
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const listening = '0A';
  const rows = (await readFile('/proc/net/tcp', 'latin1')).split('\n').map((row) => row.trim().split(/\s+/));
  return rows.filter(([, address, , state]) => address === local && state === listening).length;
}

describe('TransportLayer.start', () => {
  it('returns the addresses that it listens on', async () => {
    const { layer, bound } = await startLayer({
      listen: [
        { transport: 'udp', host: 'localhost', port: 0 },
        { transport: 'tcp', host: '127.0.0.1', port: 0 },
        { transport: 'tcp', host: '::1', port: 0 },
        { transport: 'ws', host: '127.0.0.1', port: 0 },
      ],
    });
    closers.push(() => layer.close());
    expect(bound.map(({ transport }) => transport)).toEqual(['udp', 'tcp', 'tcp', 'ws']);
    expect(['127.0.0.1', '::1']).toContain(bound[0]?.host);
    expect(bound.every(({ port }) => port > 0)).toBe(true);
  });

  it('listens on all IPv4 and all IPv6 addresses side by side, on one port', async () => {
    const first = await startLayer({
      listen: [
        { transport: 'tcp', host: '0.0.0.0', port: 0 },
        { transport: 'udp', host: '0.0.0.0', port: 0 },
      ],
    });
    closers.push(() => first.layer.close());
    const second = await startLayer({
      listen: [
        { transport: 'tcp', host: '::', port: first.port('tcp') },
        { transport: 'udp', host: '::', port: first.port('udp') },
      ],
    });
    closers.push(() => second.layer.close());
    const flow = await first.layer.connect({ transport: 'tcp', address: '::1', port: second.port('tcp') });
    expect((await second.user.opened.next()).remote).toEqual(flow.local);
    const udp = await second.layer.connect({ transport: 'udp', address: '::1', port: 5060 });
    // What the peer sees, not what the socket is bound to.
    expect(udp.local).toEqual({ address: '::1', port: second.port('udp') });
    await expect(
      second.layer.connect({ transport: 'udp', address: '127.0.0.1', port: 5060 }),
    ).rejects.toMatchObject({ code: 'no-listener' });
  });

  it.each(['tcp', 'ws'] as const)('says which %s address is in use', async (transport) => {
    const server = createServer();
    const port = await listenAnywhere(server);
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    expect(await failure([{ transport, host: '127.0.0.1', port }])).toMatchObject({
      code: 'address-in-use',
      address: `${transport}://127.0.0.1:${port}`,
    });
  });

  it.each(['tcp', 'ws'] as const)('takes newcomers over %s on several sockets', async (transport) => {
    const { layer, port } = await startLayer({ listen: [{ transport, host: '127.0.0.1', port: 0 }] });
    closers.push(() => layer.close());
    expect(await listeningSockets(port(transport))).toBe(process.platform === 'linux' ? 4 : 1);
    // No other gateway gets some of them.
    expect(await failure([{ transport, host: '127.0.0.1', port: port(transport) }])).toMatchObject({
      code: 'address-in-use',
    });
  });

  it('says which UDP address is in use, and leaves none of the others open', async () => {
    const taken = createSocket('udp4');
    await new Promise<void>((resolve) => taken.bind(0, '127.0.0.1', () => resolve()));
    closers.push(() => new Promise<void>((resolve) => taken.close(() => resolve())));
    const free = createServer();
    const freePort = await listenAnywhere(free);
    await new Promise((resolve) => free.close(resolve));
    const { port } = taken.address();
    const error = await failure([
      { transport: 'tcp', host: '127.0.0.1', port: freePort },
      { transport: 'udp', host: '127.0.0.1', port },
    ]);
    expect(error).toMatchObject({ code: 'address-in-use', address: `udp://127.0.0.1:${port}` });
    // The first listener's port can be taken again.
    await new Promise<void>((resolve) => free.listen(freePort, '127.0.0.1', resolve));
    await new Promise((resolve) => free.close(resolve));
  });

  it.each(['udp', 'tcp'] as const)('says that a %s address is not one of this machine', async (transport) => {
    expect(await failure([{ transport, host: '192.0.2.1', port: 0 }])).toMatchObject({
      code: 'address-not-available',
      address: `${transport}://192.0.2.1:0`,
    });
  });

  it('says that a name is unknown', async () => {
    expect(await failure([{ transport: 'udp', host: 'no-such-host.invalid', port: 5060 }])).toMatchObject({
      code: 'name-not-found',
      address: 'udp://no-such-host.invalid:5060',
    });
  });

  it('needs a certificate for tls', async () => {
    expect(await failure([{ transport: 'tls', host: '127.0.0.1', port: 0 }])).toMatchObject({
      code: 'tls-material',
      address: 'tls://127.0.0.1:0',
    });
  });

  it('does no input or output in its constructor, and close() without start() is fine', async () => {
    const layer = new TransportLayer({
      listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
      limits: defaultTransportLimits,
      clock: systemClock,
      logger: silentLogger,
    });
    expect(layer.stats().connections).toBe(0);
    await layer.close();
  });

  it('never uses a connection id twice, over restarts neither', async () => {
    const ids = new Set<string>();
    for (let run = 0; run < 3; run++) {
      const peer = await startLayer({ listen: ['tcp'], user: new AnsweringUser() });
      const flow = await peer.layer.connect({
        transport: 'tcp',
        address: '127.0.0.1',
        port: peer.port('tcp'),
      });
      ids.add(flow.id);
      ids.add((await peer.user.opened.next()).id);
      ids.add((await peer.user.opened.next()).id);
      await peer.layer.close();
    }
    expect(ids.size).toBe(6);
  });
});

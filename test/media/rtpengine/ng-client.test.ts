import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { silentLogger, systemRandom } from '../../../src/base/index.ts';
import { defaultRtpengineLimits } from '../../../src/media/index.ts';
import { NgClient } from '../../../src/media/rtpengine/ng-client.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function opened(): Promise<{ client: NgClient; server: Socket; clock: FakeClock }> {
  const server = createSocket('udp4').bind(0, '127.0.0.1');
  await once(server, 'listening');
  const clock = new FakeClock();
  const client = new NgClient({
    address: { host: '127.0.0.1', port: server.address().port },
    limits: defaultRtpengineLimits,
    clock,
    random: systemRandom,
    logger: silentLogger,
  });
  await client.start();
  closers.push(
    () => client.close(),
    () => server.close(),
  );
  return { client, server, clock };
}

interface Arrived {
  readonly text: string;
  readonly reply: (body: string) => void;
}

/** The next request with that command. */
async function next(server: Socket, command = 'ping'): Promise<Arrived> {
  for (;;) {
    const [datagram, from] = (await once(server, 'message')) as [Buffer, { port: number; address: string }];
    const text = datagram.toString('latin1');
    const cookie = text.slice(0, text.indexOf(' '));
    if (text.includes(command))
      return { text, reply: (body) => server.send(`${cookie} ${body}`, from.port, from.address) };
  }
}

test('a request that gets no reply is sent again, the same with the same cookie, at doubling intervals', async () => {
  const { client, server, clock } = await opened();
  const arrived = next(server);
  const asked = client.ask('ping');
  const first = await arrived;
  for (const afterMs of [100, 200, 400]) {
    const again = next(server);
    clock.advance(afterMs);
    expect((await again).text).toBe(first.text);
  }
  first.reply('d6:result4:ponge');
  expect(await asked).toEqual(new Map([['result', 'pong']]));
});

test('a request is given up after answerTimeoutMs, and a reply that comes later is nobody’s', async () => {
  const { client, server, clock } = await opened();
  const arrived = next(server);
  const asked = client.ask('ping');
  const { reply } = await arrived;
  clock.advance(defaultRtpengineLimits.answerTimeoutMs);
  expect(await asked).toBeUndefined();
  reply('d6:result4:ponge');
  const second = next(server, 'query');
  const askedAgain = client.ask('query');
  (await second).reply('d6:result2:oke');
  expect(await askedAgain).toEqual(new Map([['result', 'ok']]));
});

test('replies find their requests by cookie, whatever their order; what is no reply is dropped', async () => {
  const { client, server } = await opened();
  const firstArrived = next(server);
  const first = client.ask('ping');
  const one = await firstArrived;
  const secondArrived = next(server);
  const second = client.ask('ping');
  const two = await secondArrived;
  two.reply('garbage');
  two.reply('d1:n1:2e');
  one.reply('d1:n1:1e');
  expect([await first, await second]).toEqual([new Map([['n', '1']]), new Map([['n', '2']])]);
});

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { silentLogger, systemRandom } from '../../../src/base/index.ts';
import { defaultRtpengineLimits } from '../../../src/media/index.ts';
import { Instance } from '../../../src/media/rtpengine/instance.ts';
import { FakeClock } from '../../support/fake-clock.ts';

test('a request from before a restart, which nobody answers any more, does not put an instance out that has answered since', async () => {
  const server = createSocket('udp4').bind(0, '127.0.0.1');
  await once(server, 'listening');
  server.on('message', (datagram, from) => {
    const [cookie, body = ''] = datagram.toString('latin1').split(' ', 2);
    if (body.includes('ping')) server.send(`${cookie} d6:result4:ponge`, from.port, from.address);
  });
  const clock = new FakeClock();
  const instance = new Instance({
    address: { host: '127.0.0.1', port: server.address().port },
    limits: defaultRtpengineLimits,
    clock,
    random: systemRandom,
    logger: silentLogger,
    onChange: () => undefined,
  });
  onTestFinished(() => {
    instance.close();
    server.close();
  });
  await instance.start();
  const unanswered = instance.ask('query');
  clock.advance(defaultRtpengineLimits.answerTimeoutMs / 2);
  await instance.ask('ping');
  clock.advance(defaultRtpengineLimits.answerTimeoutMs / 2);
  expect(await unanswered).toEqual({ kind: 'silent' });
  expect(instance.up).toBe(true);
  // One that was sent after the last answer does.
  const last = instance.ask('query');
  clock.advance(defaultRtpengineLimits.answerTimeoutMs);
  await last;
  expect(instance.up).toBe(false);
});

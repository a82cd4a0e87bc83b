import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { headerValue } from '../../../src/sip/message/index.ts';
import { aor, RegistrarFixture, register, values } from './register-fixture.ts';

test('RFC 3261 §10.3 step 7: 423 for what is too brief, but never for an hour or more', async () => {
  const fixture = new RegistrarFixture({ minExpiresSeconds: 7_000 });
  const brief = await fixture.handle(register(['Contact: <sip:a@192.0.2.1>;expires=3599']));
  expect(brief).toMatchObject({ fault: 'interval-too-brief', response: { status: 423 } });
  expect(headerValue(brief.response, 'min-expires')).toBe('7000');
  const hour = await fixture.handle(register(['Contact: <sip:a@192.0.2.1>;expires=3600']));
  expect(hour.response.status).toBe(200);
});

test('one REGISTER brings no more contacts than the limit, and long headers are kept only in part', async () => {
  const fixture = new RegistrarFixture({ maxContacts: 3 });
  const contact = (host: number): string => `Contact: <sip:a@192.0.2.${host}>`;
  const many = await fixture.handle(register([1, 2, 3, 4].map(contact)));
  expect(many).toMatchObject({ fault: 'too-many-contacts', response: { status: 400 } });
  expect(fixture.bound).toEqual([]);
  await fixture.handle(register([contact(1), `User-Agent: ${'x'.repeat(4_000)}`]));
  expect(fixture.location.list(aor)[0]?.userAgent).toHaveLength(256);
});

test('RFC 3608 §5: the 200 names the service route, in order', async () => {
  const routes = ['sip:p2.example.org;lr', 'sip:home.example.org;lr'];
  const fixture = new RegistrarFixture({}, routes);
  const outcome = await fixture.handle(register(['Contact: <sip:a@192.0.2.1>']));
  expect(values(outcome, 'service-route')).toEqual(routes.map((route) => `<${route}>`));
  const plain = await new RegistrarFixture().handle(register(['Contact: <sip:a@192.0.2.1>']));
  expect(values(plain, 'service-route')).toEqual([]);
});

test('RFC 3327 §5.3: 421 with Require: path for a Path that the phone does not know of', async () => {
  const fixture = new RegistrarFixture();
  const lines = ['Contact: <sip:a@192.0.2.1>', 'Path: <sip:edge.example.org;lr>'];
  const refused = await fixture.handle(register(lines));
  expect(refused).toMatchObject({ fault: 'path-unsupported', response: { status: 421 } });
  expect(values(refused, 'require')).toEqual(['path']);
  expect(fixture.bound).toEqual([]);
});

test('a binding keeps its own few texts in memory, not the REGISTER that they were cut out of', async () => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const fixture = new RegistrarFixture();
  const padding = 'p'.repeat(7_000);
  const lines = (i: number): string[] => [
    `Contact: <sip:user-number-${i}@192.168.100.100:5060;transport=udp>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-${String(i).padStart(12, '0')}>";reg-id=1`,
    'Supported: path, outbound',
    `Path: <sip:token-of-the-edge-${i}@edge.example.org;lr;ob>`,
    'User-Agent: A Phone With A Long Name/1.0',
    ...[1, 2, 3].map((part) => `X-Padding-${part}: ${padding}`),
  ];
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 1_000; i++)
    await fixture.registrar.handle(
      register(lines(i), { callId: `a-call-id-that-is-long-enough-${i}` }),
      { id: 'u1', transport: 'udp', local: { address: '', port: 0 }, remote: { address: '', port: 0 } },
      `aor-${i}`,
      { nowMs: fixture.nowMs },
    );
  collect();
  const grownBytes = process.memoryUsage().heapUsed - before;
  expect(fixture.location.writes).toBe(1_000);
  // The requests have 21 MB together.
  expect(grownBytes).toBeLessThan(8_000_000);
});

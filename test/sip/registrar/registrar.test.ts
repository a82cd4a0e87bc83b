import fc from 'fast-check';
import { expect, test } from 'vitest';
import { appendHeaders } from '../../../src/sip/message/index.ts';
import { aor, RegistrarFixture, register, startMs, udpFlow, values, wsFlow } from './register-fixture.ts';

const first = '<sip:alice@192.168.1.10:5060>';
const second = '<sip:alice@192.168.1.11:5060>';

test('RFC 3261 §10.3 step 8: the 200 lists every binding with its remaining time, own contacts first, and a Date', async () => {
  const fixture = new RegistrarFixture();
  await fixture.handle(register([`Contact: ${first};q=0.7;expires=600`], { callId: 'phone-1' }));
  fixture.nowMs += 100_000;
  const outcome = await fixture.handle(
    register([`Contact: ${second}`, 'Expires: 300'], { callId: 'phone-2' }),
    wsFlow,
  );
  expect(outcome.response.status).toBe(200);
  expect(outcome.response.to.tag).toBeDefined();
  expect(values(outcome, 'contact')).toEqual([`${second};expires=300`, `${first};q=0.7;expires=500`]);
  expect(values(outcome, 'date')).toEqual(['Thu, 01 Jan 2026 12:01:40 GMT']);
  expect(outcome.changes.map(({ kind }) => kind)).toEqual(['added']);
});

test('a binding holds the flow and the source that was seen, whatever Contact and Via claim', async () => {
  const fixture = new RegistrarFixture();
  await fixture.handle(
    register(['Contact: "Alice" <sip:alice@10.9.9.9:1>;q=0.25;+x.y="z"', 'User-Agent: Test 1']),
    wsFlow,
  );
  expect(fixture.location.list(aor)).toEqual([
    {
      id: 'sip:alice@10.9.9.9:1',
      contactUri: 'sip:alice@10.9.9.9:1',
      contactParams: [
        { name: 'q', value: '0.25' },
        { name: '+x.y', value: '"z"' },
      ],
      instanceId: undefined,
      regId: undefined,
      flowId: 'w7',
      transport: 'ws',
      observed: { address: '192.0.2.7', port: 40_000 },
      callId: 'call-1',
      cseq: 1,
      expiresAtMs: startMs + 3_600_000,
      qValue: 250,
      path: [],
      userAgent: 'Test 1',
      registeredAtMs: startMs,
      refreshedAtMs: startMs,
    },
  ]);
});

test('RFC 3261 §10.2.3: a REGISTER without Contact asks and changes nothing', async () => {
  const fixture = new RegistrarFixture();
  await fixture.handle(register([`Contact: ${first}`]));
  const outcome = await fixture.handle(register([], { cseq: 2 }));
  expect(values(outcome, 'contact')).toEqual([`${first};expires=3600`]);
  expect(outcome.changes).toEqual([]);
  expect(fixture.location.writes).toBe(1);
});

test('RFC 3261 §10.3 step 7: a refresh keeps the binding and its age, on whatever flow it comes', async () => {
  const fixture = new RegistrarFixture();
  await fixture.handle(register([`Contact: ${first}`]));
  fixture.nowMs += 60_000;
  const outcome = await fixture.handle(register([`Contact: ${first}`], { cseq: 2 }), wsFlow);
  expect(outcome.changes).toMatchObject([
    { kind: 'refreshed', previous: { flowId: udpFlow.id }, binding: { flowId: wsFlow.id, cseq: 2 } },
  ]);
  expect(fixture.location.list(aor)).toMatchObject([
    { registeredAtMs: startMs, refreshedAtMs: startMs + 60_000 },
  ]);
});

test('RFC 3261 §19.1.4: equal URIs that are written differently are one binding', async () => {
  const fixture = new RegistrarFixture();
  await fixture.handle(register(['Contact: <sip:%61lice@EXAMPLE.net;x=1>']));
  await fixture.handle(register(['Contact: <sip:alice@example.net>'], { cseq: 2 }));
  expect(fixture.location.list(aor)).toHaveLength(1);
});

test('several phones on one identity each have their binding', async () => {
  const fixture = new RegistrarFixture();
  await fixture.handle(register([`Contact: ${first}`], { callId: 'phone-1' }));
  await fixture.handle(register([`Contact: ${second}`], { callId: 'phone-2' }));
  expect(fixture.bound).toHaveLength(2);
});

test('RFC 3261 §10.2.2: expires=0 removes that contact, Contact * with Expires 0 removes all', async () => {
  const fixture = new RegistrarFixture();
  await fixture.handle(register([`Contact: ${first}, ${second}, <sip:alice@192.168.1.12>`]));
  const one = await fixture.handle(register([`Contact: ${first};expires=0`], { cseq: 2 }));
  expect(one.changes).toMatchObject([{ kind: 'removed', cause: 'unregistered' }]);
  expect(fixture.bound).toHaveLength(2);
  const all = await fixture.handle(register(['Contact: *', 'Expires: 0'], { cseq: 3 }));
  expect(all.response.status).toBe(200);
  expect(values(all, 'contact')).toEqual([]);
  expect(fixture.bound).toEqual([]);
});

test('removing what is not bound is answered like any removal', async () => {
  const fixture = new RegistrarFixture();
  const outcome = await fixture.handle(register([`Contact: ${first};expires=0`]));
  expect(outcome.response.status).toBe(200);
  expect(fixture.location.writes).toBe(0);
});

test('RFC 3261 §10.3 step 7: a request that came too late changes nothing at all', async () => {
  const fixture = new RegistrarFixture();
  await fixture.handle(register([`Contact: ${first}`], { cseq: 5 }));
  for (const lines of [[`Contact: ${second}, ${first};expires=0`], ['Contact: *', 'Expires: 0']]) {
    const outcome = await fixture.handle(register(lines, { cseq: 5 }));
    expect(outcome).toMatchObject({ fault: 'out-of-order', response: { status: 500 }, changes: [] });
  }
  expect(fixture.bound).toEqual(['sip:alice@192.168.1.10:5060']);
  const rebooted = await fixture.handle(register([`Contact: ${first}`], { cseq: 1, callId: 'call-2' }));
  expect(rebooted.response.status).toBe(200);
});

test('bindings end with their time, and the next change clears them away', async () => {
  const fixture = new RegistrarFixture();
  await fixture.handle(register([`Contact: ${first};expires=60`]));
  fixture.nowMs += 60_000;
  expect(values(await fixture.handle(register([], { cseq: 2 })), 'contact')).toEqual([]);
  const outcome = await fixture.handle(register([`Contact: ${second}`], { callId: 'call-2' }), wsFlow);
  expect(outcome.changes).toMatchObject([
    { kind: 'removed', cause: 'expired' },
    { kind: 'added', binding: { contactUri: 'sip:alice@192.168.1.11:5060' } },
  ]);
});

test('RFC 3261 §10.3 step 7: 423 with Min-Expires for a time too short, shortened when too long', async () => {
  const fixture = new RegistrarFixture({ minExpiresSeconds: 120, maxExpiresSeconds: 600 });
  const brief = await fixture.handle(register([`Contact: ${first}, ${second};expires=119`]));
  expect(brief.response.status).toBe(423);
  expect(values(brief, 'min-expires')).toEqual(['120']);
  expect(fixture.bound).toEqual([]);
  const long = await fixture.handle(register([`Contact: ${first};expires=99999999999`]));
  expect(values(long, 'contact')).toEqual([`${first};expires=600`]);
});

test('RFC 3261 §20.19: an Expires that cannot be read counts as an hour', async () => {
  const fixture = new RegistrarFixture({ defaultExpiresSeconds: 120 });
  const outcome = await fixture.handle(register([`Contact: ${first}`, 'Expires: soon']));
  expect(values(outcome, 'contact')).toEqual([`${first};expires=3600`]);
});

test.each([
  ['the wildcard beside another contact', ['Contact: *', `Contact: ${first}`, 'Expires: 0'], 400],
  ['the wildcard without Expires 0', ['Contact: *', 'Expires: 60'], 400],
  ['a scheme that no call can follow', ['Contact: <mailto:alice@example.org>'], 400],
  ['a telephone number', ['Contact: <tel:+15551234>'], 400],
  ['a URI that is none', ['Contact: <sip:>'], 400],
  ['a contact beyond the limit', [`Contact: <sip:${'a'.repeat(1100)}@example.org>`], 400],
  ['a Path from a phone without Supported: path', [`Contact: ${first}`, 'Path: <sip:p1;lr>'], 421],
])('%s is refused', async (_name, lines, status) => {
  const fixture = new RegistrarFixture();
  const outcome = await fixture.handle(register(lines));
  expect(outcome.response.status).toBe(status);
  expect(outcome.fault).toBeDefined();
  expect(fixture.location.writes).toBe(0);
});

test('whatever stands in Contact, Path and Expires, the answer is a response and no 500', async () => {
  const fixture = new RegistrarFixture();
  const pieces = [
    '<sip:a@b>',
    'sip:a@b',
    ';expires=',
    '60',
    ';q=',
    ';reg-id=1',
    ';+sip.instance="<u:1>"',
    ',',
    '*',
    '"',
    '<',
    '>',
  ];
  const value = fc
    .array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 6 })), { maxLength: 10 })
    .map((parts) => parts.join(''));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('contact', 'path', 'expires'), value, async (name, text) => {
      const request = register(['Supported: path, outbound'], { callId: text.length.toString() });
      const { response, fault } = await fixture.handle(
        appendHeaders(request, [{ name, rawName: name, value: text }]),
      );
      if (response.status === 500) expect(fault).toBe('out-of-order');
      else expect(response.status === 200).toBe(fault === undefined);
    }),
  );
});

test('the number of bindings is limited; refreshing and removing still work at the limit', async () => {
  const fixture = new RegistrarFixture({ maxBindings: 2 });
  await fixture.handle(register([`Contact: ${first}, ${second}`]));
  const third = await fixture.handle(register(['Contact: <sip:alice@192.168.1.12>'], { callId: 'x' }));
  expect(third).toMatchObject({ fault: 'too-many-bindings', response: { status: 403 }, changes: [] });
  const refresh = await fixture.handle(register([`Contact: ${first}`], { cseq: 2 }));
  expect(refresh.response.status).toBe(200);
  expect(fixture.bound).toHaveLength(2);
});

test('what the location service fails with reaches whoever answers the REGISTER', async () => {
  const fixture = new RegistrarFixture();
  const failure = new Error('disk full');
  fixture.location.failure = failure;
  for (const lines of [[`Contact: ${first}`], []])
    await expect(fixture.handle(register(lines))).rejects.toBe(failure);
});

test('RFC 3261 §10.3 steps 1 and 2: foreign domains, other schemes and unknown extensions are screened out', () => {
  const { registrar } = new RegistrarFixture();
  expect(registrar.screen(register([]))).toBeUndefined();
  expect(registrar.screen(register(['Require: path, Outbound']))).toBeUndefined();
  expect(registrar.screen(register([], { uri: 'sip:example.net' }))?.response.status).toBe(403);
  expect(registrar.screen(register([], { uri: 'tel:123' }))?.response.status).toBe(416);
  const outcome = registrar.screen(register(['Require: path, wings', 'Require: fins']));
  expect(outcome?.response.status).toBe(420);
  expect(outcome?.response.headers).toContainEqual(
    expect.objectContaining({ name: 'unsupported', value: 'wings, fins' }),
  );
});

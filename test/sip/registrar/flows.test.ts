import { expect, test } from 'vitest';
import type { RegisterSource } from '../../../src/sip/registrar/index.ts';
import { aor, RegistrarFixture, register, udpFlow, values, wsFlow } from './register-fixture.ts';

const instance = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"';
const supported = 'Supported: path, outbound';
const newFlow: RegisterSource = { ...wsFlow, id: 'w8' };

function flowContact(uri: string, regId: number): string {
  return `Contact: <${uri}>;${instance};reg-id=${regId}`;
}

test('RFC 5626 §6: the newest flow of an (instance, reg-id) pair wins, whatever URI and Call-ID it comes with', async () => {
  const fixture = new RegistrarFixture();
  await fixture.handle(register([flowContact('sip:a@x.invalid', 1), supported]), wsFlow);
  const outcome = await fixture.handle(
    register([flowContact('sip:b@y.invalid', 1), supported], { callId: 'call-2' }),
    newFlow,
  );
  expect(outcome.changes).toMatchObject([
    { kind: 'refreshed', previous: { flowId: 'w7' }, binding: { flowId: 'w8' } },
  ]);
  expect(fixture.bound).toEqual(['sip:b@y.invalid']);
});

test('RFC 5626 §6: several reg-ids of one instance are several bindings', async () => {
  const fixture = new RegistrarFixture();
  await fixture.handle(register([flowContact('sip:a@x.invalid', 1), supported]), wsFlow);
  await fixture.handle(register([flowContact('sip:a@x.invalid', 2), supported], { cseq: 2 }), newFlow);
  expect(fixture.location.list(aor)).toMatchObject([
    { regId: 1, flowId: 'w7' },
    { regId: 2, flowId: 'w8' },
  ]);
});

test('RFC 5626 §6: the 200 requires outbound and gives a Flow-Timer when the phone knows outbound', async () => {
  const fixture = new RegistrarFixture();
  const known = await fixture.handle(register([flowContact('sip:a@x.invalid', 1), supported]), wsFlow);
  expect(values(known, 'require')).toEqual(['outbound']);
  expect(values(known, 'flow-timer')).toEqual(['120']);
  expect(values(known, 'contact')).toEqual([`<sip:a@x.invalid>;${instance};reg-id=1;expires=3600`]);
  const datagram = await fixture.handle(
    register([flowContact('sip:a@x.invalid', 1), supported], { cseq: 2 }),
    udpFlow,
  );
  expect(values(datagram, 'flow-timer')).toEqual(['25']);
  const unknown = await fixture.handle(register([flowContact('sip:a@x.invalid', 1)], { cseq: 3 }));
  expect(values(unknown, 'require')).toEqual([]);
});

test('RFC 5626 §6: more than one lasting contact beside a reg-id is refused', async () => {
  const fixture = new RegistrarFixture();
  const outcome = await fixture.handle(
    register([flowContact('sip:a@x.invalid', 1), 'Contact: <sip:b@x.invalid>', supported]),
  );
  expect(outcome).toMatchObject({ fault: 'several-flows', response: { status: 400 } });
});

test('RFC 5626 §6: 439 behind a first hop that keeps no flow; with an edge proxy that does, its Path is stored', async () => {
  const fixture = new RegistrarFixture();
  const via = ['proxy.example.org', '192.168.1.10'];
  const lacking = await fixture.handle(register([flowContact('sip:a@x.invalid', 1), supported], { via }));
  expect(lacking).toMatchObject({ fault: 'first-hop', response: { status: 439 } });
  const path = ['<sip:inner.example.org;lr>', '<sip:token@edge.example.org;lr;ob>'];
  const through = await fixture.handle(
    register([flowContact('sip:a@x.invalid', 1), supported, `Path: ${path.join(', ')}`], { via }),
  );
  expect(values(through, 'require')).toEqual(['outbound']);
  expect(values(through, 'flow-timer')).toEqual([]);
  expect(values(through, 'path')).toEqual([path.join(', ')]);
  expect(fixture.location.list(aor)).toMatchObject([
    { regId: 1, path: ['sip:inner.example.org;lr', 'sip:token@edge.example.org;lr;ob'] },
  ]);
});

test('RFC 5626 §6: a reg-id without instance-id is ignored', async () => {
  const fixture = new RegistrarFixture();
  await fixture.handle(register(['Contact: <sip:a@x.invalid>;reg-id=1', supported]));
  expect(fixture.location.list(aor)).toMatchObject([{ regId: undefined, id: 'sip:a@x.invalid' }]);
});

test('a phone with an instance-id alone leaves no ghost when its contact changes', async () => {
  const fixture = new RegistrarFixture();
  await fixture.handle(register([`Contact: <sip:a@192.168.1.10:4000>;${instance}`]), wsFlow);
  const outcome = await fixture.handle(
    register([`Contact: <sip:a@10.0.0.10:4001>;${instance}`], { callId: 'call-2' }),
    newFlow,
  );
  expect(outcome.changes).toMatchObject([{ kind: 'removed', cause: 'replaced' }, { kind: 'added' }]);
  expect(fixture.bound).toEqual(['sip:a@10.0.0.10:4001']);
});

test('a phone that learns its public address on one flow leaves no ghost', async () => {
  const fixture = new RegistrarFixture();
  await fixture.handle(register(['Contact: <sip:a@192.168.1.10:5060>']));
  await fixture.handle(register(['Contact: <sip:a@192.0.2.1:1024>'], { cseq: 2 }));
  expect(fixture.bound).toEqual(['sip:a@192.0.2.1:1024']);
});

test.each([
  ['another user', '<sip:b@192.0.2.1:1024>', 'call-1', udpFlow],
  ['another Call-ID', '<sip:a@192.0.2.1:1024>', 'call-2', udpFlow],
  ['another flow', '<sip:a@192.0.2.1:1024>', 'call-1', wsFlow],
] as const)('%s is another phone by default', async (_name, contact, callId, source) => {
  const fixture = new RegistrarFixture();
  await fixture.handle(register(['Contact: <sip:a@192.168.1.10:5060>']));
  await fixture.handle(register([`Contact: ${contact}`], { callId, cseq: 2 }), source);
  expect(fixture.bound).toHaveLength(2);
});

test('the rule for one flow can be as wide as the flow, or as narrow as RFC 3261 §10.3', async () => {
  const wide = new RegistrarFixture({ sameFlowRule: 'any' });
  await wide.handle(register(['Contact: <sip:a-1@192.168.1.10:5060>']));
  await wide.handle(register(['Contact: <sip:a-2@192.168.1.10:5060>'], { callId: 'call-2' }));
  expect(wide.bound).toEqual(['sip:a-2@192.168.1.10:5060']);
  const narrow = new RegistrarFixture({ sameFlowRule: 'never' });
  await narrow.handle(register(['Contact: <sip:a@192.168.1.10:5060>']));
  await narrow.handle(register(['Contact: <sip:a@192.0.2.1:1024>'], { cseq: 2 }));
  expect(narrow.bound).toHaveLength(2);
});

test('the flow of a proxy carries many phones: none takes another one’s place', async () => {
  const fixture = new RegistrarFixture({ sameFlowRule: 'any' });
  const via = ['proxy.example.org', '192.168.1.10'];
  await fixture.handle(register(['Contact: <sip:a@192.168.1.10>'], { via }));
  await fixture.handle(register(['Contact: <sip:a@192.168.1.11>'], { via, cseq: 2 }));
  expect(fixture.bound).toHaveLength(2);
});

import { beforeEach, describe, expect, it } from 'vitest';
import { headerField, headerValue, headerValues } from '../../../src/sip/message/index.ts';
import type { RoutingDecision } from '../../../src/sip/proxy/index.ts';
import { callerDialog } from '../../support/memory-phone.ts';
import { ProxyBench } from './proxy-bench.ts';

let bench: ProxyBench;
beforeEach(() => {
  bench = new ProxyBench();
});

describe('forwarding a request (RFC 3261 §16.6)', () => {
  it('sends 100 at once, relays provisional and final responses, and reports them', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('INVITE', 'sip:bob@example.com');
    expect(alice.statuses).toEqual([100]);
    expect(alice.lastResponse().to.tag).toBeUndefined();
    bob.reply(bob.lastRequest('INVITE'), 100);
    bob.reply(bob.lastRequest('INVITE'), 180);
    bob.reply(bob.lastRequest('INVITE'), 200);
    expect(alice.statuses).toEqual([100, 180, 200]);
    expect(bench.observer.events).toEqual(['provisional 180', 'final 200']);
    alice.inDialog('ACK', callerDialog(alice.lastResponse()));
    expect(bob.methods).toEqual(['INVITE', 'ACK']);
    bench.expectNothingLeft();
  });

  it('changes Request-URI, Via, Max-Forwards and Record-Route, and passes the rest on untouched', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    const body = new TextEncoder().encode('v=0\r\n');
    const sent = alice.request('INVITE', 'sip:bob@example.com', {
      headers: [headerField('X-Odd', 'kept; as=is'), headerField('Content-Type', 'application/sdp')],
      body,
    });
    const got = bob.lastRequest('INVITE');
    expect(got.uri).toBe(bob.contact);
    expect(got.maxForwards).toBe(69);
    expect(headerValues(got, 'via')).toHaveLength(2);
    expect(got.via.host).toBe('198.51.100.1');
    expect(got.via.hasRport).toBe(true);
    expect(headerValues(got, 'record-route')).toHaveLength(1);
    expect(Buffer.from(got.body).toString()).toBe('v=0\r\n');
    const changed = new Set(['via', 'max-forwards', 'max-breadth', 'record-route']);
    expect(got.headers.filter((field) => !changed.has(field.name))).toEqual(
      sent.headers.filter((field) => !changed.has(field.name)),
    );
    expect(headerValues(bob.reply(got, 200), 'via')).toHaveLength(2);
    expect(headerValues(alice.lastResponse(), 'via')).toHaveLength(1);
    expect(headerValue(alice.lastResponse(), 'via')).toContain('received=192.0.2.1');
  });

  it('adds and removes what the policy says, Path routes included, and starts Max-Forwards at 70', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([{ ...bench.target(bob), routes: ['<sip:edge.example.com;lr>'] }], {
      recordRoute: false,
      edit: { remove: ['p-asserted-identity'], add: [headerField('Intent-Token', 'abc')] },
    });
    const request = alice.request('MESSAGE', 'sip:bob@example.com', {
      headers: [headerField('P-Asserted-Identity', '<sip:ceo@example.com>')],
    });
    alice.send({
      ...request,
      headers: request.headers
        .filter((field) => field.name !== 'max-forwards')
        .map((field) =>
          field.name === 'via' ? { ...field, value: field.value.replace('z9hG4bK', 'z9hG4bKnext-') } : field,
        ),
    });
    const [got, without] = bob.requests;
    if (got === undefined || without === undefined) throw new Error('not forwarded');
    expect(headerValue(got, 'p-asserted-identity')).toBeUndefined();
    expect(headerValue(got, 'intent-token')).toBe('abc');
    expect(headerValue(got, 'route')).toBe('<sip:edge.example.com;lr>');
    expect(headerValue(got, 'record-route')).toBeUndefined();
    expect(without.maxForwards).toBe(70);
  });

  it('puts the next hop into the Request-URI when it is a strict router (§16.6 step 6)', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([
      { ...bench.target(bob), routes: ['<sip:strict.example.com>', '<sip:second.example.com;lr>'] },
    ]);
    alice.request('INVITE', 'sip:bob@example.com');
    const got = bob.lastRequest('INVITE');
    expect(got.uri).toBe('sip:strict.example.com');
    expect(headerValues(got, 'route')).toEqual(['<sip:second.example.com;lr>', `<${bob.contact}>`]);
  });

  it('absorbs retransmitted requests and answers them with the last response', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    alice.send(invite);
    bob.reply(bob.lastRequest('INVITE'), 180);
    alice.send(invite);
    expect(alice.statuses).toEqual([100, 100, 180, 180]);
    expect(bob.methods).toEqual(['INVITE']);
  });

  it('retransmits towards a callee that lost the request, and forwards its answer once', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    bob.flow.lossy = true;
    alice.request('INVITE', 'sip:bob@example.com');
    expect(bob.requests).toEqual([]);
    bob.flow.lossy = false;
    bench.advance(500);
    expect(bob.methods).toEqual(['INVITE']);
  });

  it('forwards every retransmission of a 2xx, and reports the dialog once (RFC 6026)', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('INVITE', 'sip:bob@example.com');
    const invite = bob.lastRequest('INVITE');
    for (let i = 0; i < 3; i++) bob.reply(invite, 200);
    expect(alice.statuses).toEqual([100, 200, 200, 200]);
    expect(bench.observer.events).toEqual(['final 200']);
    bob.reply(invite, 200, 'a-fork-behind-bob');
    expect(alice.statuses).toEqual([100, 200, 200, 200, 200]);
    expect(bench.observer.events).toEqual(['final 200']);
    bench.expectNothingLeft();
  });

  it('sends no 100 and no 408 to a non-INVITE request (RFC 4320)', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('MESSAGE', 'sip:bob@example.com');
    for (let i = 0; i < 40; i++) bench.advance(1000);
    expect(alice.statuses).toEqual([]);
    expect(bench.observer.events).toEqual(['final 408 own']);
    bench.expectNothingLeft();
  });

  it('works the same when the policy answers with a promise', async () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    const decision = { kind: 'forward', targets: [bench.target(bob)], recordRoute: true } as const;
    bench.decide = () => Promise.resolve(decision);
    alice.request('INVITE', 'sip:bob@example.com');
    await Promise.resolve();
    bench.flush();
    expect(bob.methods).toEqual(['INVITE']);
    bob.reply(bob.lastRequest('INVITE'), 180);
    bench.advance(200);
    // Over UDP a 100 that comes behind another response would say nothing.
    expect(alice.statuses).toEqual([180]);
  });

  it.each(['udp', 'tcp'] as const)(
    'answers 100 within 200 ms while the policy is deciding, over %s (§17.2.1)',
    async (transport) => {
      const [alice, bob] = [bench.phone('alice', transport), bench.phone('bob')];
      const { promise, resolve } = Promise.withResolvers<RoutingDecision>();
      bench.decide = () => promise;
      alice.request('INVITE', 'sip:bob@example.com');
      expect(alice.statuses).toEqual(transport === 'udp' ? [] : [100]);
      bench.advance(200);
      expect(alice.statuses).toEqual([100]);
      resolve({ kind: 'forward', targets: [bench.target(bob)], recordRoute: true });
      await promise;
      bench.flush();
      expect(bob.methods).toEqual(['INVITE']);
      bench.advance(1_000);
      expect(alice.statuses).toEqual([100]);
    },
  );

  it('answers 500 when the policy fails, at once or later, or what the policy says to that', async () => {
    const alice = bench.phone('alice');
    bench.decide = () => {
      throw new Error('broken');
    };
    alice.request('MESSAGE', 'sip:bob@example.com');
    bench.decide = () => Promise.reject(new Error('broken'));
    alice.request('MESSAGE', 'sip:bob@example.com');
    await Promise.resolve();
    await Promise.resolve();
    bench.flush();
    expect(alice.statuses).toEqual([500, 500]);
    bench.onFault = () => ({ kind: 'respond', status: 503 });
    alice.request('MESSAGE', 'sip:bob@example.com');
    await Promise.resolve();
    bench.flush();
    expect(alice.statuses).toEqual([500, 500, 503]);
    bench.expectNothingLeft();
  });

  it('carries 100 calls at the same time and keeps nothing of them', () => {
    const [alice, bob] = [bench.phone('alice', 'ws'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    for (let i = 0; i < 100; i++) alice.request('INVITE', 'sip:bob@example.com');
    expect(bench.proxy.pendingInvites).toBe(100);
    for (const invite of bob.requests.slice()) bob.reply(invite, 200, `tag-${invite.callId}`);
    for (const response of alice.responses.filter(({ status }) => status === 200)) {
      const dialog = callerDialog(response);
      alice.inDialog('ACK', dialog);
      alice.inDialog('BYE', dialog);
    }
    const byes = bob.requests.filter(({ method }) => method === 'BYE');
    expect(byes).toHaveLength(100);
    for (const bye of byes) bob.reply(bye, 200);
    expect(alice.statuses.filter((status) => status === 200)).toHaveLength(200);
    expect(bench.proxy.pendingInvites).toBe(0);
    bench.expectNothingLeft();
  });
});

describe('what is refused before routing (RFC 3261 §16.3)', () => {
  it('answers 483 when no hop is left (negative test 20)', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('INVITE', 'sip:bob@example.com', { maxForwards: 0 });
    alice.request('INVITE', 'sip:bob@example.com', { maxForwards: 1 });
    expect(alice.statuses).toEqual([483, 100]);
    expect(bob.lastRequest('INVITE').maxForwards).toBe(0);
  });

  it('answers 482 to a loop and lets a spiral pass (negative test 20, RFC 5393 §4.2)', () => {
    const [alice, pbx] = [bench.phone('alice'), bench.phone('pbx')];
    bench.forwardTo([{ ...bench.target(pbx), requestUri: 'sip:bob@example.com' }]);
    alice.request('INVITE', 'sip:bob@example.com');
    const looped = pbx.lastRequest('INVITE');
    const via = headerField('Via', 'SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKpbx1');
    pbx.send({ ...looped, headers: [via, ...looped.headers] });
    expect(pbx.statuses).toEqual([482]);
    const spiral = headerField('Via', 'SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKpbx2');
    pbx.send({ ...looped, uri: 'sip:carol@example.com', headers: [spiral, ...looped.headers] });
    expect(pbx.statuses).toEqual([482, 100]);
  });

  it('answers 420 with Unsupported to Proxy-Require', () => {
    const alice = bench.phone('alice');
    alice.request('INVITE', 'sip:bob@example.com', { headers: [headerField('Proxy-Require', 'foo, bar')] });
    expect(alice.statuses).toEqual([420]);
    expect(headerValue(alice.lastResponse(), 'unsupported')).toBe('foo, bar');
  });

  it('answers 416 to a scheme that it cannot route (negative test 25)', () => {
    const alice = bench.phone('alice');
    alice.request('MESSAGE', 'mailto:bob@example.com');
    alice.request('MESSAGE', 'tel:+4930123456');
    expect(alice.statuses).toEqual([416, 404]);
  });

  it('answers 403 to a preloaded Route of another host, and takes its own off (negative test 19)', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('INVITE', 'sip:bob@example.com', { headers: [headerField('Route', '<sip:10.1.2.3;lr>')] });
    expect(alice.statuses).toEqual([403]);
    alice.request('INVITE', 'sip:bob@example.com', {
      headers: [headerField('Route', '<sip:gw.example.com;lr>, <sip:10.1.2.3;lr>')],
    });
    expect(alice.statuses).toEqual([403, 403]);
    alice.request('INVITE', 'sip:bob@example.com', {
      headers: [headerField('Route', '<sip:gw.example.com;lr>')],
    });
    expect(alice.statuses).toEqual([403, 403, 100]);
    expect(headerValues(bob.lastRequest('INVITE'), 'route')).toEqual([]);
  });

  it('answers 400 to a Route that cannot be read', () => {
    const alice = bench.phone('alice');
    alice.request('MESSAGE', 'sip:bob@example.com', { headers: [headerField('Route', '<sip:gw')] });
    expect(alice.statuses).toEqual([400]);
  });

  it('never answers an ACK, whatever is wrong with it', () => {
    const alice = bench.phone('alice');
    alice.request('ACK', 'sip:bob@example.com', { maxForwards: 0 });
    alice.request('ACK', 'sip:bob@example.com', { headers: [headerField('Route', '<sip:10.1.2.3;lr>')] });
    expect(alice.responses).toEqual([]);
  });
});

import { beforeEach, describe, expect, it } from 'vitest';
import {
  headerField,
  headerItems,
  headerValue,
  headerValues,
  parseNameAddr,
  parseUri,
} from '../../../src/sip/message/index.ts';
import type { TransportName } from '../../../src/sip/transport/index.ts';
import {
  calleeDialog,
  callerDialog,
  type MemoryPhone,
  type PhoneDialog,
} from '../../support/memory-phone.ts';
import { ProxyBench } from './proxy-bench.ts';

let bench: ProxyBench;
beforeEach(() => {
  bench = new ProxyBench();
});

interface Call {
  readonly alice: MemoryPhone;
  readonly bob: MemoryPhone;
  readonly caller: PhoneDialog;
  readonly callee: PhoneDialog;
}

function answeredCall(callerTransport: TransportName, calleeTransport: TransportName): Call {
  const [alice, bob] = [bench.phone('alice', callerTransport), bench.phone('bob', calleeTransport)];
  bench.forwardTo([{ ...bench.target(bob), identity: `${'b'.repeat(51)}a` }], {
    callerIdentity: 'a'.repeat(52),
  });
  alice.request('INVITE', 'sip:bob@example.com');
  const invite = bob.lastRequest('INVITE');
  bob.reply(invite, 200);
  const caller = callerDialog(alice.lastResponse());
  alice.inDialog('ACK', caller, [], 1);
  return { alice, bob, caller, callee: calleeDialog(invite, 'bob-tag') };
}

/** The first Route value with one character of its token changed. */
function alter(route: string): string {
  const at = route.indexOf(':') + 40;
  return route.slice(0, at) + (route[at] === 'A' ? 'B' : 'A') + route.slice(at + 1);
}

describe.each([
  ['udp', 'udp', 1],
  ['udp', 'ws', 2],
  ['wss', 'udp', 2],
  ['tcp', 'tls', 2],
] as const)('a dialog between %s and %s', (callerTransport, calleeTransport, passes) => {
  it(`travels along ${passes} Record-Route value(s) in both directions (RFC 3261 §16.6, RFC 5658 §3.1)`, () => {
    const { alice, bob, caller, callee } = answeredCall(callerTransport, calleeTransport);
    expect(caller.routes).toHaveLength(passes);
    const ack = bob.lastRequest('ACK');
    expect(headerValues(ack, 'route')).toEqual([]);
    expect(ack.uri).toBe(bob.contact);

    for (const method of ['UPDATE', 'INFO', 'REFER', 'MESSAGE', 'BYE']) {
      alice.inDialog(method, caller);
      bob.reply(bob.lastRequest(method), 200);
      bob.inDialog(method, callee);
      expect(headerValues(alice.lastRequest(method), 'route')).toEqual([]);
      alice.reply(alice.lastRequest(method), 200);
    }
    expect(alice.statuses.filter((status) => status === 200)).toHaveLength(1 + 5);
    expect(bob.statuses).toEqual([200, 200, 200, 200, 200]);
    bench.expectNothingLeft();
  });

  it('names to each side the transport that it can reach, nearest first', () => {
    const { caller, callee } = answeredCall(callerTransport, calleeTransport);
    const transportOf = (route: string | undefined): string | undefined => {
      const uri = parseUri(parseNameAddr(route ?? '').uri);
      return uri.scheme === 'sip' ? uri.params.find(({ name }) => name === 'transport')?.value : undefined;
    };
    const named = { udp: undefined, tcp: 'tcp', tls: 'tls', ws: 'ws', wss: 'ws' };
    expect(transportOf(caller.routes[0])).toBe(named[callerTransport]);
    expect(transportOf(callee.routes[0])).toBe(named[calleeTransport]);
  });

  it('forwards each copy of an ACK under one branch, and another ACK under its own (RFC 3261 §16.11)', () => {
    const { alice, bob, caller } = answeredCall(callerTransport, calleeTransport);
    const ack = alice.inDialog('ACK', caller, [], 1);
    const first = bob.lastRequest('ACK');
    alice.send(ack);
    expect(bob.lastRequest('ACK')).toEqual(first);
    alice.inDialog('ACK', caller, [], 1);
    expect(bob.lastRequest('ACK').via.branch).not.toBe(first.via.branch);
    expect(bob.methods).toEqual(['INVITE', 'ACK', 'ACK', 'ACK', 'ACK']);
  });

  it('survives a re-INVITE from each side, with its ACK', () => {
    const { alice, bob, caller, callee } = answeredCall(callerTransport, calleeTransport);
    alice.inDialog('INVITE', caller, [headerField('Contact', `<${alice.contact}>`)], 7);
    bob.reply(bob.lastRequest('INVITE'), 200);
    alice.inDialog('ACK', caller, [], 7);
    expect(bob.lastRequest('ACK').cseq.number).toBe(7);
    bob.inDialog('INVITE', callee, [headerField('Contact', `<${bob.contact}>`)], 9);
    alice.reply(alice.lastRequest('INVITE'), 200);
    bob.inDialog('ACK', callee, [], 9);
    expect(alice.lastRequest('ACK').cseq.number).toBe(9);
    bench.expectNothingLeft();
  });
});

describe('flow tokens in Route', () => {
  it('altered by one character are answered 403, and the call lives (negative test 23)', () => {
    const { alice, bob, caller } = answeredCall('udp', 'udp');
    alice.inDialog('BYE', { ...caller, routes: caller.routes.map(alter) });
    expect(alice.statuses.at(-1)).toBe(403);
    expect(bob.methods).toEqual(['INVITE', 'ACK']);
    alice.inDialog('ACK', { ...caller, routes: caller.routes.map(alter) });
    expect(bob.methods).toEqual(['INVITE', 'ACK']);
  });

  it("on another flow than the dialog's are answered 403, and the call lives (negative tests 23 and 26)", () => {
    const { alice, bob, caller } = answeredCall('udp', 'ws');
    const mallory = bench.phone('mallory', 'ws');
    mallory.inDialog('BYE', caller);
    mallory.inDialog('INVITE', caller);
    mallory.inDialog('ACK', caller);
    expect(mallory.statuses).toEqual([403, 403]);
    expect(bob.methods).toEqual(['INVITE', 'ACK']);
    alice.inDialog('BYE', caller);
    expect(bob.methods).toEqual(['INVITE', 'ACK', 'BYE']);
  });

  it('of a flow that is gone are answered 430 at once (negative test 23, RFC 5626 §5.3.1)', () => {
    const { alice, bob, caller } = answeredCall('udp', 'ws');
    bob.flow.close('gone');
    alice.inDialog('BYE', caller);
    expect(alice.statuses.at(-1)).toBe(430);
    bench.expectNothingLeft();
  });

  it('in the Request-URI of a strict router are recognised (RFC 3261 §16.4)', () => {
    const { alice, bob, caller } = answeredCall('udp', 'udp');
    const [route] = caller.routes;
    const token = parseNameAddr(route ?? '').uri;
    alice.inDialog('BYE', { ...caller, target: token, routes: [`<${caller.target}>`] });
    const bye = bob.lastRequest('BYE');
    expect(bye.uri).toBe(bob.contact);
    expect(headerValues(bye, 'route')).toEqual([]);
  });

  it('leave the Route values of other proxies behind them', () => {
    const { alice, bob, caller } = answeredCall('udp', 'ws');
    alice.inDialog('BYE', { ...caller, routes: [...caller.routes, '<sip:pbx.example.com;lr>'] });
    expect(headerItems(bob.lastRequest('BYE'), 'route')).toEqual(['<sip:pbx.example.com;lr>']);
  });

  it('of a spiral are used one passage at a time', () => {
    const [alice, pbx, bob] = [bench.phone('alice', 'ws'), bench.phone('pbx'), bench.phone('bob', 'ws')];
    bench.forwardTo([bench.target(pbx)]);
    alice.request('INVITE', 'sip:bob@example.com');
    bench.forwardTo([bench.target(bob)]);
    const first = pbx.lastRequest('INVITE');
    const pbxVia = headerField('Via', 'SIP/2.0/UDP 10.0.0.1:5066;branch=z9hG4bKpbx;rport');
    const pbxRoute = headerField('Record-Route', '<sip:pbx.example.com;lr>');
    pbx.send({ ...first, uri: 'sip:other@example.com', headers: [pbxVia, pbxRoute, ...first.headers] });
    const invite = bob.lastRequest('INVITE');
    expect(headerValues(invite, 'record-route')).toHaveLength(5);
    bob.reply(invite, 200);
    pbx.send({
      ...pbx.lastResponse(),
      headers: pbx
        .lastResponse()
        .headers.filter((field) => field.value !== headerValue(pbx.lastResponse(), 'via')),
    });
    const caller = callerDialog(alice.lastResponse());
    expect(caller.routes).toHaveLength(5);
    alice.inDialog('BYE', caller);
    const bye = pbx.lastRequest('BYE');
    expect(headerItems(bye, 'route')).toEqual(caller.routes.slice(2));
    pbx.inDialog('BYE', { ...caller, routes: caller.routes.slice(3) });
    expect(headerValues(bob.lastRequest('BYE'), 'route')).toEqual([]);
  });
});

import { beforeEach, describe, expect, it } from 'vitest';
import { headerField, headerItems, headerValues, parseNameAddr } from '../../../src/sip/message/index.ts';
import type { TransportName } from '../../../src/sip/transport/index.ts';
import { callerDialog, type MemoryPhone, type PhoneDialog } from '../../support/memory-phone.ts';
import { ProxyBench } from './proxy-bench.ts';

let bench: ProxyBench;
beforeEach(() => {
  bench = new ProxyBench();
});

function answeredCall(transport: TransportName): {
  alice: MemoryPhone;
  bob: MemoryPhone;
  dialog: PhoneDialog;
} {
  const [alice, bob] = [bench.phone('alice'), bench.phone('bob', transport)];
  bench.forwardTo([bench.target(bob)]);
  alice.request('INVITE', 'sip:bob@example.com');
  bob.reply(bob.lastRequest('INVITE'), 200);
  return { alice, bob, dialog: callerDialog(alice.lastResponse()) };
}

/** The request as a strict router sends it: the first route in the Request-URI, the remote target last in Route. */
function strictly({ routes, target, ...dialog }: PhoneDialog): PhoneDialog {
  const [first = '', ...others] = routes;
  return { ...dialog, target: parseNameAddr(first).uri, routes: [...others, `<${target}>`] };
}

describe('a Request-URI with maddr (RFC 3261 §16.4)', () => {
  it.each([
    ['sip:bob@example.com:5060;maddr=gw.example.com;transport=tcp', 'sip:bob@example.com'],
    ['sip:bob@example.com;maddr=192.0.2.200', 'sip:bob@example.com;maddr=192.0.2.200'],
  ])('%s is routed as %s', (sent, routed) => {
    const seen: string[] = [];
    bench.decide = ({ uri }) => {
      seen.push(uri);
      return { kind: 'respond', status: 404 };
    };
    bench.phone('alice').request('MESSAGE', sent);
    expect(seen).toEqual([routed]);
  });
});

describe('a peer that routes strictly (RFC 3261 §16.4)', () => {
  it.each([
    ['udp', 1],
    ['ws', 2],
  ] as const)('reaches a callee on %s with what was recorded in %i value(s)', (transport, passes) => {
    const { alice, bob, dialog } = answeredCall(transport);
    expect(dialog.routes).toHaveLength(passes);
    alice.inDialog('ACK', strictly(dialog), [], 1);
    alice.inDialog('INFO', strictly(dialog));
    for (const method of ['ACK', 'INFO']) {
      expect(bob.lastRequest(method).uri).toBe(bob.contact);
      expect(headerValues(bob.lastRequest(method), 'route')).toEqual([]);
    }
    bob.reply(bob.lastRequest('INFO'), 200);
    expect(alice.lastResponse().status).toBe(200);
  });

  it('behind us finds itself in the Request-URI, and the remote target last in Route (§16.6 step 6)', () => {
    const { alice, bob, dialog } = answeredCall('udp');
    alice.inDialog('INFO', { ...dialog, routes: [...dialog.routes, '<sip:old.example.com>'] });
    const info = bob.lastRequest('INFO');
    expect(info.uri).toBe('sip:old.example.com');
    expect(headerItems(info, 'route')).toEqual([`<${bob.contact}>`]);
  });

  it('may not borrow the passage of another host', () => {
    const { alice, bob } = answeredCall('ws');
    const before = bob.requests.length;
    alice.request('INFO', 'sip:203.0.113.9;lr;r2', { headers: [headerField('Route', '<sip:10.9.9.9;lr>')] });
    expect(alice.lastResponse().status).toBe(403);
    expect(bob.requests).toHaveLength(before);
  });
});

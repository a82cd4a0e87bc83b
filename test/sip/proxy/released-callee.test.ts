import { beforeEach, describe, expect, it } from 'vitest';
import { headerField, headerItems, headerValue } from '../../../src/sip/message/index.ts';
import { ManualGate, ProxyBench } from './proxy-bench.ts';

let bench: ProxyBench;
beforeEach(() => {
  bench = new ProxyBench();
});

const refusal = {
  reason: 'Audit Log Unavailable',
  headers: [headerField('Retry-After', '5'), headerField('Reason', 'SIP;cause=503;text="no log"')],
};

class RefusingGate extends ManualGate {
  readonly refusal: typeof refusal = refusal;
}

describe('a callee whose answer cannot go upstream', () => {
  it('is acknowledged and hung up on in the caller’s stead, in its own dialog (RFC 3261 §12.2.1.1, §13.2.2.4)', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    const gate = new RefusingGate();
    bench.forwardTo([bench.target(bob)], { gate });
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 200);
    gate.settle('failed');
    bench.flush();
    const [ack, bye] = [bob.lastRequest('ACK'), bob.lastRequest('BYE')];
    for (const request of [ack, bye]) {
      expect(request.uri).toBe(bob.contact);
      expect(request.callId).toBe(invite.callId);
      expect(request.from.tag).toBe(invite.from.tag);
      expect(request.to.tag).toBe('bob-tag');
      expect(headerItems(request, 'route')).toEqual([]);
    }
    expect(ack.cseq.number).toBe(invite.cseq.number);
    expect(bye.cseq.number).toBeGreaterThan(invite.cseq.number);
    expect(headerValue(bye, 'reason')).toBe('SIP;cause=503;text="Audit Log Unavailable"');
    bob.reply(bye, 200);
    bench.expectNothingLeft();
  });

  it('gets an ACK, but no second BYE, for each retransmission of its 2xx', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    const gate = new ManualGate();
    bench.forwardTo([bench.target(bob)], { gate });
    alice.request('INVITE', 'sip:bob@example.com');
    const invite = bob.lastRequest('INVITE');
    bob.reply(invite, 200);
    gate.settle('failed');
    bench.flush();
    bob.reply(invite, 200);
    bob.reply(bob.lastRequest('BYE'), 200);
    expect(bob.methods).toEqual(['INVITE', 'ACK', 'BYE', 'ACK']);
    bench.expectNothingLeft();
  });

  it.each([
    ['<sip:pbx.example.com;lr>', 'sip:bob@10.0.0.1:5066', ['<sip:pbx.example.com;lr>']],
    ['<sip:old.example.com>', 'sip:old.example.com', ['<sip:bob@10.0.0.1:5066>']],
  ])(
    'is reached through %s behind this proxy, which recorded its route (§12.2.1.1)',
    (between, uri, routes) => {
      const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
      const gate = new ManualGate();
      bench.forwardTo([bench.target(bob)], { gate });
      alice.request('INVITE', 'sip:bob@example.com');
      const invite = bob.lastRequest('INVITE');
      const recorded = headerField('Record-Route', between);
      bob.reply({ ...invite, headers: [recorded, ...invite.headers] }, 200);
      gate.settle('failed');
      bench.flush();
      for (const method of ['ACK', 'BYE']) {
        expect(bob.lastRequest(method).uri).toBe(uri);
        expect(headerItems(bob.lastRequest(method), 'route')).toEqual(routes);
      }
    },
  );

  it('is told why the call does not come about, and so is the caller (RFC 3326, RFC 3261 §21.5.4)', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    const gate = new RefusingGate();
    bench.forwardTo([bench.target(bob)], { gate });
    alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 180);
    gate.settle('failed');
    bench.flush();
    expect(headerValue(bob.lastRequest('CANCEL'), 'reason')).toContain('cause=503');
    const response = alice.lastResponse();
    expect([response.status, response.reason]).toEqual([503, 'Audit Log Unavailable']);
    expect(headerValue(response, 'retry-after')).toBe('5');
    expect(headerValue(response, 'reason')).toContain('no log');
    bob.reply(bob.lastRequest('INVITE'), 487);
    bench.expectNothingLeft();
  });

  it('is hung up on when the caller’s connection closed before the answer came', () => {
    const [alice, bob] = [bench.phone('alice', 'ws'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 180);
    alice.flow.close('gone');
    bench.flush();
    bob.reply(bob.lastRequest('INVITE'), 200);
    expect(bob.methods).toEqual(['INVITE', 'CANCEL', 'ACK', 'BYE']);
    expect(bench.observer.events.slice(1)).toEqual(['cancelled', 'final 487 own']);
    bob.reply(bob.lastRequest('CANCEL'), 200);
    bob.reply(bob.lastRequest('BYE'), 200);
    bench.expectNothingLeft();
  });
});

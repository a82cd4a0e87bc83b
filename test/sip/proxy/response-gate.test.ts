import { beforeEach, describe, expect, it } from 'vitest';
import { cancelOf, ManualGate, ProxyBench } from './proxy-bench.ts';

let bench: ProxyBench;
beforeEach(() => {
  bench = new ProxyBench();
});

describe('the response gate', () => {
  it('holds everything above 100 until it opens, then lets it pass in order', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    const gate = new ManualGate();
    bench.forwardTo([bench.target(bob)], { gate });
    alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 180);
    bob.reply(bob.lastRequest('INVITE'), 200);
    expect(alice.statuses).toEqual([100]);
    expect(bench.observer.events).toEqual([]);
    gate.settle('open');
    bench.flush();
    expect(alice.statuses).toEqual([100, 180, 200]);
    expect(bench.observer.events).toEqual(['provisional 180', 'final 200']);
    bench.expectNothingLeft();
  });

  it.each([180, 200])(
    'answers 503 when it fails after a %i, lets no answer through, and leaves no callee alone',
    (status) => {
      const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
      const gate = new ManualGate();
      bench.forwardTo([bench.target(bob)], { gate });
      alice.request('INVITE', 'sip:bob@example.com');
      bob.reply(bob.lastRequest('INVITE'), status);
      gate.settle('failed');
      bench.flush();
      expect(alice.statuses).toEqual([100, 503]);
      expect(bob.methods).toEqual(['INVITE', ...(status === 180 ? ['CANCEL'] : ['ACK', 'BYE'])]);
      bob.reply(bob.lastRequest('INVITE'), 200);
      // RFC 3261 §13.2.2.4: whether it came before or after, an answer that nobody takes is ended by its dialog.
      expect(bob.methods.slice(-2)).toEqual(status === 180 ? ['ACK', 'BYE'] : ['BYE', 'ACK']);
      bob.reply(bob.lastRequest('BYE'), 200);
      expect(alice.statuses).toEqual([100, 503]);
      expect(bench.observer.events).toEqual(['final 503 own']);
      bench.expectNothingLeft();
    },
  );

  it('that has failed before keeps the INVITE here', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    const gate = new ManualGate();
    gate.settle('failed');
    bench.forwardTo([bench.target(bob)], { gate });
    alice.request('INVITE', 'sip:bob@example.com');
    expect(alice.statuses).toEqual([100, 503]);
    expect(bob.methods).toEqual([]);
    bench.expectNothingLeft();
  });

  it("holds the proxy's own answers too, and a CANCEL while it is pending ends in 487", () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    const gate = new ManualGate();
    bench.forwardTo([bench.target(bob)], { gate });
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    bob.reply(bob.lastRequest('INVITE'), 180);
    alice.send(cancelOf(invite));
    bob.reply(bob.lastRequest('INVITE'), 487);
    expect(alice.statuses).toEqual([100, 200]);
    gate.settle('open');
    bench.flush();
    expect(alice.statuses).toEqual([100, 200, 180, 487]);
    bench.expectNothingLeft();
  });

  it('also holds a refusal that the policy made', () => {
    const alice = bench.phone('alice');
    const gate = new ManualGate();
    bench.decide = () => ({ kind: 'respond', status: 403, gate });
    alice.request('INVITE', 'sip:bob@example.com');
    expect(alice.statuses).toEqual([100]);
    gate.settle('open');
    bench.flush();
    expect(alice.statuses).toEqual([100, 403]);
    bench.expectNothingLeft();
  });
});

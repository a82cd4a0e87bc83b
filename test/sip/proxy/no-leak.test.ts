import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { MemoryPhone } from '../../support/memory-phone.ts';
import { cancelOf, ManualGate, ProxyBench } from './proxy-bench.ts';

const event = fc.oneof(
  fc.record({
    kind: fc.constant('reply' as const),
    phone: fc.nat(2),
    status: fc.constantFrom(100, 180, 200, 302, 407, 486, 487, 503, 603),
  }),
  fc.record({ kind: fc.constant('close' as const), phone: fc.nat(3) }),
  fc.record({ kind: fc.constant('advance' as const), ms: fc.constantFrom(10, 500, 4000, 33_000, 190_000) }),
  fc.record({ kind: fc.constant('cancel' as const) }),
  fc.record({ kind: fc.constant('retransmit' as const) }),
  fc.record({
    kind: fc.constant('gate' as const),
    state: fc.constantFrom('open' as const, 'failed' as const),
  }),
  fc.record({ kind: fc.constant('fork' as const), phone: fc.nat(2) }),
);

it('whatever happens to a call, it is answered once, reported, and leaves no transaction and no timer behind', () => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 12 }),
      fc.constantFrom('udp' as const, 'ws' as const),
      fc.constantFrom('udp' as const, 'tcp' as const),
      fc.constantFrom('INVITE', 'MESSAGE'),
      fc.boolean(),
      (events, callerTransport, calleeTransport, method, gated) => {
        const bench = new ProxyBench();
        const alice = bench.phone('alice', callerTransport);
        const callees = [1, 2, 3].map((number) =>
          bench.phone(`b${number}`, number === 3 ? 'udp' : calleeTransport),
        );
        const gate = new ManualGate();
        bench.forwardTo(
          callees.map((phone, index) => bench.target(phone, index === 2 ? 1 : 2)),
          gated ? { gate } : {},
        );
        const request = alice.request(method, 'sip:bob@example.com');
        const phoneAt = (index: number): MemoryPhone => callees[index] ?? alice;
        for (const step of events) {
          switch (step.kind) {
            case 'reply': {
              const received = phoneAt(step.phone).requests.find((each) => each.method === method);
              if (received !== undefined) phoneAt(step.phone).reply(received, step.status);
              break;
            }
            case 'close':
              phoneAt(step.phone).flow.close('test');
              bench.flush();
              break;
            case 'advance':
              bench.advance(step.ms);
              break;
            case 'cancel':
              alice.send(cancelOf(request));
              break;
            case 'retransmit':
              alice.send(request);
              break;
            case 'gate':
              if (gate.state === 'pending') gate.settle(step.state);
              bench.flush();
              break;
            case 'fork':
              bench.observer.forwarded?.addTarget(bench.target(phoneAt(step.phone)));
              bench.flush();
              break;
          }
        }
        if (gate.state === 'pending') gate.settle('open');
        bench.expectNothingLeft();

        const finals = bench.observer.events.filter((each) => each.startsWith('final'));
        const refusals = finals.filter((each) => !each.startsWith('final 2'));
        expect(finals.length).toBeGreaterThanOrEqual(Math.max(1, bench.observer.forwardedCount));
        // A retransmission after the transaction's end is a new request to the proxy, and answered anew.
        const retried = events.some(({ kind }) => kind === 'retransmit');
        if (!retried) expect(refusals.length).toBeLessThanOrEqual(1);
        const statuses = alice.responses
          .filter(({ status, cseq }) => cseq.method === method && status >= 300)
          .map(({ status }) => status);
        if (!retried) expect(new Set(statuses).size).toBeLessThanOrEqual(1);
      },
    ),
    { numRuns: 300 },
  );
});

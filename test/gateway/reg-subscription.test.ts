import { beforeEach, describe, expect, it } from 'vitest';
import { silentLogger, systemRandom } from '../../src/base/index.ts';
import { RegSubscription } from '../../src/gateway/reg-subscription.ts';
import { headerValue, TransactionLayer } from '../../src/sip/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryPhone } from '../support/memory-phone.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const minNotifyIntervalMs = 5_000;

/** A subscription on a memory transport and a fake clock; its documents only list what was unregistered. */
class SubscriptionBench {
  readonly clock: FakeClock = new FakeClock();
  readonly network: MemoryTransport = new MemoryTransport();
  readonly watcher: MemoryPhone = new MemoryPhone(this.network, 'watcher', 'tcp');
  readonly layer: TransactionLayer<unknown> = new TransactionLayer({
    transport: this.network,
    clock: this.clock,
    random: systemRandom,
    logger: silentLogger,
  });
  readonly subscription: RegSubscription;
  ends = 0;

  constructor() {
    const nothing = (): void => {};
    void this.layer.start({
      onRequest: nothing,
      onCancel: nothing,
      onAck: nothing,
      onStrayResponse: nothing,
      onTransportError: nothing,
    });
    this.subscription = new RegSubscription({
      dialog: {
        callId: 'call-1',
        local: '<sip:alice@example.org>;tag=ours',
        remote: '<sip:watcher@example.org>;tag=theirs',
        remoteTarget: 'sip:watcher@10.0.0.1',
        routes: ['<sip:edge.example.org;lr>'],
        event: 'reg',
        contact: '<sip:reg-event@198.51.100.1>',
      },
      flow: this.watcher.flow,
      clock: this.clock,
      random: systemRandom,
      minNotifyIntervalMs,
      addressFor: ({ local }) => ({ host: local.address, port: local.port }),
      send: (request, flow, handler) => this.layer.send(request, flow, handler),
      state: { document: (unregistered) => Promise.resolve(Buffer.from([...unregistered].join())) },
      onEnd: () => void this.ends++,
    });
  }

  /** Lets documents be made and messages arrive. */
  async settle(): Promise<void> {
    await new Promise(setImmediate);
    this.network.flush();
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.settle();
  }

  async answer(status = 200): Promise<void> {
    this.watcher.reply(this.watcher.lastRequest('NOTIFY'), status);
    await this.settle();
  }

  get states(): readonly (string | undefined)[] {
    return this.watcher.requests.map((request) => headerValue(request, 'subscription-state'));
  }

  get bodies(): readonly string[] {
    return this.watcher.requests.map(({ body }) => Buffer.from(body).toString());
  }
}

let bench: SubscriptionBench;
beforeEach(async () => {
  bench = new SubscriptionBench();
  bench.subscription.extend(600, bench.watcher.flow);
  await bench.settle();
});

describe('a subscription (RFC 6665, RFC 3680 §4.10)', () => {
  it('notifies at once, within the dialog and along its routes', async () => {
    const notify = bench.watcher.lastRequest('NOTIFY');
    expect(notify).toMatchObject({ uri: 'sip:watcher@10.0.0.1', callId: 'call-1', cseq: { number: 1 } });
    expect([notify.from.tag, notify.to.tag]).toEqual(['ours', 'theirs']);
    expect(headerValue(notify, 'route')).toBe('<sip:edge.example.org;lr>');
    expect(bench.states).toEqual(['active;expires=600']);
  });

  it('puts changes that come fast into one NOTIFY', async () => {
    await bench.answer();
    bench.subscription.changed(['a']);
    bench.subscription.changed(['b']);
    await bench.advance(minNotifyIntervalMs - 1);
    expect(bench.bodies).toEqual(['']);
    await bench.advance(1);
    expect(bench.bodies).toEqual(['', 'a,b']);
    await bench.answer();
    await bench.advance(minNotifyIntervalMs);
    bench.subscription.changed(['c']);
    await bench.settle();
    expect(bench.bodies).toEqual(['', 'a,b', 'c']);
    expect(bench.watcher.lastRequest('NOTIFY').cseq.number).toBe(3);
  });

  it('has one NOTIFY under way at a time', async () => {
    await bench.advance(minNotifyIntervalMs);
    bench.subscription.changed(['a']);
    await bench.settle();
    expect(bench.bodies).toEqual(['']);
    await bench.answer();
    expect(bench.bodies).toEqual(['', 'a']);
  });

  it('ends with its time and a last NOTIFY, and leaves no timer', async () => {
    await bench.answer();
    await bench.advance(600_000);
    expect(bench.states.at(-1)).toBe('terminated;reason=timeout');
    await bench.answer();
    expect(bench.ends).toBe(1);
    await bench.advance(60_000);
    expect(bench.clock.pendingTimers).toBe(0);
    bench.subscription.changed(['a']);
    bench.subscription.end('deactivated');
    await bench.settle();
    expect(bench.states).toHaveLength(2);
  });

  it('lasts longer when it is refreshed', async () => {
    await bench.answer();
    await bench.advance(500_000);
    bench.subscription.extend(600, bench.watcher.flow);
    await bench.settle();
    await bench.answer();
    await bench.advance(599_999);
    expect(bench.states).toEqual(['active;expires=600', 'active;expires=600']);
    await bench.advance(1);
    expect(bench.states.at(-1)).toBe('terminated;reason=timeout');
  });

  it.each([481, 403, 500])('ends without a word when a NOTIFY is answered %i', async (status) => {
    await bench.answer(status);
    expect(bench.ends).toBe(1);
    await bench.advance(700_000);
    expect(bench.states).toHaveLength(1);
    expect(bench.clock.pendingTimers).toBe(0);
  });

  it('ends when a NOTIFY is not answered, and when its flow is gone', async () => {
    await bench.advance(33_000);
    expect(bench.ends).toBe(1);
    const other = new SubscriptionBench();
    other.subscription.extend(600, other.watcher.flow);
    other.watcher.flow.close('gone');
    await other.settle();
    expect(other.ends).toBe(1);
    await other.advance(60_000);
    expect(other.clock.pendingTimers).toBe(0);
  });
});

import { expect } from 'vitest';
import { silentLogger, systemRandom } from '../../../src/base/index.ts';
import type { SipRequest, SipResponse } from '../../../src/sip/message/index.ts';
import {
  decideByToken,
  FlowTokens,
  type ForwardDecision,
  type ForwardedRequest,
  type ForwardObserver,
  ProxyCore,
  type ProxyTarget,
  type RespondDecision,
  type ResponseGate,
  type RoutingDecision,
} from '../../../src/sip/proxy/index.ts';
import { TransactionLayer } from '../../../src/sip/transaction/index.ts';
import type { TransportName } from '../../../src/sip/transport/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryPhone } from '../../support/memory-phone.ts';
import { MemoryTransport } from '../../support/memory-transport.ts';

/** Writes down what an observer hears. */
export class RecordingObserver implements ForwardObserver {
  readonly events: string[] = [];
  forwarded: ForwardedRequest | undefined;
  forwardedCount = 0;
  onForwarded(forwarded: ForwardedRequest): void {
    this.forwardedCount++;
    this.forwarded = forwarded;
  }
  onProvisional(response: SipResponse): void {
    this.events.push(`provisional ${response.status}`);
  }
  onFinal(response: SipResponse, target: ProxyTarget | undefined): void {
    this.events.push(`final ${response.status}${target === undefined ? ' own' : ''}`);
  }
  onCancelled(): void {
    this.events.push('cancelled');
  }
}

/** A gate that a test opens or fails. */
export class ManualGate implements ResponseGate {
  state: 'pending' | 'open' | 'failed' = 'pending';
  readonly #waiting: ((state: 'open' | 'failed') => void)[] = [];
  whenSettled(callback: (state: 'open' | 'failed') => void): void {
    if (this.state === 'pending') this.#waiting.push(callback);
    else callback(this.state);
  }
  settle(state: 'open' | 'failed'): void {
    this.state = state;
    for (const callback of this.#waiting.splice(0)) callback(state);
  }
}

const tokenKey = { id: 1, secret: new Uint8Array(32).fill(7) };

/** A proxy on a memory transport and a fake clock, whose policy a test sets. */
export class ProxyBench {
  readonly clock: FakeClock = new FakeClock();
  readonly network: MemoryTransport = new MemoryTransport();
  readonly tokens: FlowTokens = new FlowTokens({ keys: [tokenKey], node: 'gw1', random: systemRandom });
  readonly layer: TransactionLayer<unknown>;
  readonly proxy: ProxyCore;
  readonly observer: RecordingObserver = new RecordingObserver();
  /** What the policy says to requests outside of a dialog. */
  decide: (request: SipRequest) => RoutingDecision | Promise<RoutingDecision> = () => ({
    kind: 'respond',
    status: 404,
  });

  onFault: (fault: unknown) => RespondDecision | undefined = () => undefined;

  constructor() {
    const { clock, network, tokens } = this;
    this.layer = new TransactionLayer({
      transport: network,
      clock,
      random: systemRandom,
      logger: silentLogger,
    });
    this.proxy = new ProxyCore({
      transactions: this.layer,
      tokens,
      random: systemRandom,
      logger: silentLogger,
      isOwnAddress: (host) => host === '198.51.100.1' || host === 'gw.example.com',
      policy: {
        onRequest: (request) => this.decide(request),
        onFault: (fault) => this.onFault(fault),
        onInDialog: (request, source, token) =>
          decideByToken(request, source, token, (id) => network.flow(id)),
      },
    });
    void this.layer.start(this.proxy);
  }

  phone(name: string, transport: TransportName = 'udp'): MemoryPhone {
    return new MemoryPhone(this.network, name, transport);
  }

  target(phone: MemoryPhone, qValue = 1000): ProxyTarget {
    return { flow: phone.flow, requestUri: phone.contact, qValue };
  }

  /** Makes the policy forward everything outside of a dialog. */
  forwardTo(targets: readonly ProxyTarget[], more: Partial<ForwardDecision> = {}): void {
    const decision: ForwardDecision = {
      kind: 'forward',
      targets,
      recordRoute: true,
      observer: this.observer,
      ...more,
    };
    this.decide = () => decision;
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    this.network.flush();
  }

  flush(): void {
    this.network.flush();
  }

  /** Lets all timers end, then checks that nothing is left of any request. */
  expectNothingLeft(): void {
    for (let i = 0; i < 30; i++) this.advance(10_000);
    expect(this.layer.counts()).toMatchObject({ server: 0, client: 0, timers: 0 });
    expect(this.proxy.pendingInvites).toBe(0);
    expect(this.clock.pendingTimers).toBe(0);
  }
}

/** The CANCEL of a request that a phone sent. */
export function cancelOf(invite: SipRequest, extra: SipRequest['headers'] = []): SipRequest {
  const headers = invite.headers.map((field) =>
    field.name === 'cseq' ? { ...field, value: `${invite.cseq.number} CANCEL` } : field,
  );
  return {
    ...invite,
    method: 'CANCEL',
    cseq: { ...invite.cseq, method: 'CANCEL' },
    headers: [...headers, ...extra],
  };
}

import { expect } from 'vitest';
import { silentLogger, systemRandom } from '../../../src/base/index.ts';
import {
  createRequest,
  createResponse,
  createVia,
  type HeaderField,
  type SipRequest,
  type SipResponse,
} from '../../../src/sip/message/index.ts';
import {
  type Admission,
  type ClientTransaction,
  type ClientTransactionHandler,
  type ServerTransaction,
  TransactionLayer,
  type TransactionLimits,
  type TransactionUser,
} from '../../../src/sip/transaction/index.ts';
import type { Flow, TransportName } from '../../../src/sip/transport/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryPhone } from '../../support/memory-phone.ts';
import { MemoryTransport } from '../../support/memory-transport.ts';

export class RecordingUser implements TransactionUser {
  readonly transactions: ServerTransaction[] = [];
  readonly events: string[] = [];
  /** What each request of this method gets at once. */
  atOnce: { readonly method: string; readonly status: number; readonly headers: HeaderField[] } | undefined;
  answerAtOnce(request: SipRequest): SipResponse | undefined {
    const { method, status, headers } = this.atOnce ?? {};
    if (status === undefined || request.method !== method) return undefined;
    return createResponse(request, status, undefined, { toTag: 'gw', ...(headers && { headers }) });
  }
  onRequest(request: SipRequest, transaction: ServerTransaction): void {
    this.transactions.push(transaction);
    this.events.push(`request ${request.method}`);
  }
  onCancel(_cancel: SipRequest, invite: ServerTransaction): void {
    this.events.push(`cancel ${invite.request.callId}`);
  }
  onAck(ack: SipRequest, flow: Flow): void {
    this.events.push(`ack ${ack.cseq.number} on ${flow.id}`);
  }
  onStrayResponse(response: SipResponse): void {
    this.events.push(`stray ${response.status}`);
  }
  onTransportError(transaction: ServerTransaction): void {
    this.events.push(`transport error ${transaction.request.method}`);
  }
  last(): ServerTransaction {
    const transaction = this.transactions.at(-1);
    if (transaction === undefined) throw new Error('no transaction yet');
    return transaction;
  }
}

export class RecordingHandler implements ClientTransactionHandler {
  readonly events: string[] = [];
  onResponse(response: SipResponse): void {
    this.events.push(String(response.status));
  }
  onTimeout(): void {
    this.events.push('timeout');
  }
  onTransportError(): void {
    this.events.push('transport error');
  }
}

export interface LayerBenchOptions {
  readonly limits?: TransactionLimits;
  readonly admission?: (clock: FakeClock) => Admission;
  readonly isSameParty?: (source: Flow, asked: Flow) => boolean;
}

/** A transaction layer on a memory transport and a fake clock, with a user that only writes down what it hears. */
export class LayerBench {
  readonly clock: FakeClock = new FakeClock();
  readonly network: MemoryTransport = new MemoryTransport();
  readonly user: RecordingUser = new RecordingUser();
  readonly layer: TransactionLayer<unknown>;
  #sent = 0;

  constructor(options: LayerBenchOptions = {}) {
    const { limits, admission, isSameParty } = options;
    const { network, clock } = this;
    this.layer = new TransactionLayer({
      transport: network,
      clock,
      random: systemRandom,
      logger: silentLogger,
      ...(limits === undefined ? {} : { limits }),
      ...(admission === undefined ? {} : { admission: admission(clock) }),
      ...(isSameParty === undefined ? {} : { isSameParty }),
    });
    void this.layer.start(this.user);
  }

  /** At an address of its own unless one is given. */
  phone(name: string, transport: TransportName = 'udp', address?: string): MemoryPhone {
    return new MemoryPhone(this.network, name, transport, address);
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    this.network.flush();
  }

  respond(transaction: ServerTransaction, status: number): void {
    transaction.respond(createResponse(transaction.request, status, undefined, { toTag: 'gw' }));
    this.network.flush();
  }

  /** Sends a request of the layer's own to a phone. */
  send(method: string, phone: MemoryPhone, handler: ClientTransactionHandler): ClientTransaction {
    const branch = `own-${++this.#sent}`;
    const request = createRequest({
      method,
      uri: 'sip:bob@10.0.0.2',
      via: createVia({ transport: 'udp', host: '198.51.100.1', port: 5060, branch }),
      from: '<sip:alice@example.com>;tag=a',
      to: '<sip:bob@example.com>',
      callId: branch,
      cseq: 1,
    });
    const transaction = this.layer.send(request, phone.flow, handler);
    this.network.flush();
    return transaction;
  }

  expectNothingLeft(): void {
    expect(this.layer.counts()).toMatchObject({ server: 0, client: 0, timers: 0 });
    expect(this.clock.pendingTimers).toBe(0);
  }
}

/** The ACK for a non-2xx, or the CANCEL, of a phone's own INVITE. */
export function derivedFrom(invite: SipRequest, method: 'ACK' | 'CANCEL'): SipRequest {
  const headers = invite.headers.map((field) =>
    field.name === 'cseq' ? { ...field, value: `${invite.cseq.number} ${method}` } : field,
  );
  return { ...invite, method, cseq: { ...invite.cseq, method }, headers };
}

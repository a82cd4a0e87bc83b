import { beforeEach, describe, expect, it } from 'vitest';
import { silentLogger, systemRandom } from '../../../src/base/index.ts';
import {
  createRequest,
  createResponse,
  createVia,
  headerValue,
  headerValues,
  type SipRequest,
  type SipResponse,
} from '../../../src/sip/message/index.ts';
import {
  type ClientTransactionHandler,
  type ServerTransaction,
  TransactionLayer,
  type TransactionUser,
} from '../../../src/sip/transaction/index.ts';
import type { Flow } from '../../../src/sip/transport/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryPhone } from '../../support/memory-phone.ts';
import { MemoryTransport } from '../../support/memory-transport.ts';

class RecordingUser implements TransactionUser {
  readonly transactions: ServerTransaction[] = [];
  readonly events: string[] = [];
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

class RecordingHandler implements ClientTransactionHandler {
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

let clock: FakeClock;
let network: MemoryTransport;
let layer: TransactionLayer<unknown>;
let user: RecordingUser;

beforeEach(async () => {
  clock = new FakeClock();
  network = new MemoryTransport();
  user = new RecordingUser();
  layer = new TransactionLayer({ transport: network, clock, random: systemRandom, logger: silentLogger });
  await layer.start(user);
});

function advance(ms: number): void {
  clock.advance(ms);
  network.flush();
}

function respond(transaction: ServerTransaction, status: number): void {
  transaction.respond(createResponse(transaction.request, status, undefined, { toTag: 'gw' }));
  network.flush();
}

function outgoing(method: string, branch: string): SipRequest {
  return createRequest({
    method,
    uri: 'sip:bob@10.0.0.2',
    via: createVia({ transport: 'udp', host: '198.51.100.1', port: 5060, branch }),
    from: '<sip:alice@example.com>;tag=a',
    to: '<sip:bob@example.com>',
    callId: `out-${branch}`,
    cseq: 1,
  });
}

function expectNothingLeft(): void {
  expect(layer.counts()).toMatchObject({ server: 0, client: 0, timers: 0 });
  expect(clock.pendingTimers).toBe(0);
}

describe('server transactions (RFC 3261 §17.2)', () => {
  it('answers a retransmitted INVITE with the last provisional, byte for byte, and asks the user once', () => {
    const alice = new MemoryPhone(network, 'alice');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    respond(user.last(), 180);
    alice.send(invite);
    alice.send(invite);
    expect(user.events).toEqual(['request INVITE']);
    expect(alice.statuses).toEqual([180, 180, 180]);
    expect(alice.responses[2]).toEqual(alice.responses[0]);
  });

  it('retransmits a non-2xx final on Timer G until the ACK, which is absorbed (§17.2.1)', () => {
    const alice = new MemoryPhone(network, 'alice');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    respond(user.last(), 486);
    advance(500);
    advance(1000);
    expect(alice.statuses).toEqual([486, 486, 486]);
    alice.send({
      ...invite,
      method: 'ACK',
      cseq: { number: invite.cseq.number, method: 'ACK' },
      headers: ackHeaders(invite),
    });
    advance(4000);
    expect(alice.statuses).toHaveLength(3);
    expect(user.events).toEqual(['request INVITE']);
    advance(1000);
    expectNothingLeft();
  });

  it('caps Timer G at T2 and gives up at Timer H', () => {
    const alice = new MemoryPhone(network, 'alice');
    alice.request('INVITE', 'sip:bob@example.com');
    respond(user.last(), 486);
    for (let i = 0; i < 3400; i++) advance(10);
    // 0.5, 1, 2, 4, 4, ... within 32 s
    expect(alice.statuses).toHaveLength(1 + 10);
    expectNothingLeft();
  });

  it('neither retransmits nor lingers over a reliable transport (Timers G and I)', () => {
    const alice = new MemoryPhone(network, 'alice', 'ws');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    respond(user.last(), 486);
    advance(10_000);
    expect(alice.statuses).toEqual([486]);
    alice.send({
      ...invite,
      method: 'ACK',
      cseq: { number: invite.cseq.number, method: 'ACK' },
      headers: ackHeaders(invite),
    });
    expectNothingLeft();
  });

  it('absorbs retransmissions in Accepted, passes every 2xx, and ends with Timer L (RFC 6026 §7.1)', () => {
    const alice = new MemoryPhone(network, 'alice');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    respond(user.last(), 200);
    alice.send(invite);
    expect(alice.statuses).toEqual([200]);
    respond(user.last(), 200);
    expect(alice.statuses).toEqual([200, 200]);
    expect(user.events).toEqual(['request INVITE']);
    advance(32_000);
    expectNothingLeft();
  });

  it('lets a 2xx pass after another final response (§16.7 step 5) without losing what it retransmits', () => {
    const alice = new MemoryPhone(network, 'alice');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    respond(user.last(), 408);
    respond(user.last(), 200);
    respond(user.last(), 486);
    alice.send(invite);
    expect(alice.statuses).toEqual([408, 200, 408]);
  });

  it('keeps the answer of a non-INVITE request for Timer J over UDP, not at all over TCP (§17.2.2)', () => {
    const alice = new MemoryPhone(network, 'alice');
    const message = alice.request('MESSAGE', 'sip:bob@example.com');
    alice.send(message);
    expect(alice.statuses).toEqual([]);
    respond(user.last(), 200);
    alice.send(message);
    expect(alice.statuses).toEqual([200, 200]);
    expect(user.events).toEqual(['request MESSAGE']);
    advance(32_000);
    expectNothingLeft();

    const tcp = new MemoryPhone(network, 'tina', 'tcp');
    tcp.request('MESSAGE', 'sip:bob@example.com');
    respond(user.last(), 200);
    expectNothingLeft();
  });

  it('matches RFC 2543 requests without the magic cookie by their fields (§17.2.3)', () => {
    const alice = new MemoryPhone(network, 'alice');
    const base = alice.request('INVITE', 'sip:bob@example.com', { branch: 'x' });
    const old = {
      ...base,
      via: { ...base.via, branch: '1' },
      headers: base.headers.map((field) =>
        field.name === 'via' ? { ...field, value: 'SIP/2.0/UDP 10.0.0.1:5066;branch=1' } : field,
      ),
    };
    alice.send(old);
    alice.send(old);
    const other = {
      ...old,
      headers: old.headers.map((field) => (field.name === 'call-id' ? { ...field, value: 'else' } : field)),
    };
    alice.send(other);
    expect(user.events).toEqual(['request INVITE', 'request INVITE', 'request INVITE']);
  });

  it('answers an ACK flood with silence and hands a stray ACK up', () => {
    const alice = new MemoryPhone(network, 'alice');
    for (let i = 0; i < 5; i++) alice.request('ACK', 'sip:bob@example.com');
    expect(alice.responses).toEqual([]);
    expect(user.events).toHaveLength(5);
    expectNothingLeft();
  });

  it('tells the user when the flow of a pending INVITE closes, and forgets other requests (§17.2.4)', () => {
    const alice = new MemoryPhone(network, 'alice', 'ws');
    alice.request('INVITE', 'sip:bob@example.com');
    const invite = user.last();
    alice.request('MESSAGE', 'sip:bob@example.com');
    alice.flow.close('gone');
    expect(user.events.slice(2).sort()).toEqual(['transport error INVITE', 'transport error MESSAGE']);
    respond(invite, 487);
    expectNothingLeft();
  });
});

describe('CANCEL (RFC 3261 §9.2)', () => {
  function cancelOf(invite: SipRequest): SipRequest {
    return {
      ...invite,
      method: 'CANCEL',
      cseq: { number: invite.cseq.number, method: 'CANCEL' },
      headers: ackHeaders(invite, 'CANCEL'),
    };
  }

  it('is answered 200 and reaches the pending INVITE once, retransmissions included', () => {
    const alice = new MemoryPhone(network, 'alice');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    alice.send(cancelOf(invite));
    alice.send(cancelOf(invite));
    expect(alice.statuses).toEqual([200, 200]);
    expect(user.events).toEqual(['request INVITE', `cancel ${invite.callId}`]);
  });

  it('has no effect after a final response, but is answered 200', () => {
    const alice = new MemoryPhone(network, 'alice');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    respond(user.last(), 200);
    alice.send(cancelOf(invite));
    expect(alice.statuses).toEqual([200, 200]);
    expect(user.events).toEqual(['request INVITE']);
  });

  it('is answered 481 when it matches nothing', () => {
    const alice = new MemoryPhone(network, 'alice');
    alice.request('CANCEL', 'sip:bob@example.com');
    expect(alice.statuses).toEqual([481]);
    expect(user.events).toEqual([]);
  });

  it('is answered 481 from another flow than the INVITE came on: a guessed branch cancels nothing (negative test 27)', () => {
    const alice = new MemoryPhone(network, 'alice');
    const mallory = new MemoryPhone(network, 'mallory');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    mallory.send(cancelOf(invite));
    expect(mallory.statuses).toEqual([481]);
    expect(user.events).toEqual(['request INVITE']);
  });
});

describe('client transactions (RFC 3261 §17.1)', () => {
  it('retransmits an INVITE over UDP on Timer A and gives up at Timer B', () => {
    const bob = new MemoryPhone(network, 'bob');
    const handler = new RecordingHandler();
    layer.send(outgoing('INVITE', '1'), bob.flow, handler);
    for (let i = 0; i < 3200; i++) advance(10);
    // at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s
    expect(bob.methods).toEqual(new Array(7).fill('INVITE'));
    expect(handler.events).toEqual(['timeout']);
    expectNothingLeft();
  });

  it('sends once over a reliable transport', () => {
    const bob = new MemoryPhone(network, 'bob', 'tcp');
    const handler = new RecordingHandler();
    layer.send(outgoing('INVITE', '1'), bob.flow, handler);
    layer.send(outgoing('MESSAGE', '2'), bob.flow, handler);
    advance(32_000);
    expect(bob.methods).toEqual(['INVITE', 'MESSAGE']);
    expect(handler.events).toEqual(['timeout', 'timeout']);
    expectNothingLeft();
  });

  it('stops retransmitting on a provisional and waits without limit for the final', () => {
    const bob = new MemoryPhone(network, 'bob');
    const handler = new RecordingHandler();
    layer.send(outgoing('INVITE', '1'), bob.flow, handler);
    network.flush();
    bob.reply(bob.lastRequest('INVITE'), 180);
    advance(100_000);
    expect(bob.methods).toEqual(['INVITE']);
    expect(handler.events).toEqual(['180']);
    expect(clock.pendingTimers).toBe(0);
    bob.reply(bob.lastRequest('INVITE'), 200);
    advance(32_000);
    expectNothingLeft();
  });

  it('acknowledges a non-2xx final and each of its retransmissions (§17.1.1.3)', () => {
    const bob = new MemoryPhone(network, 'bob');
    const handler = new RecordingHandler();
    const request = outgoing('INVITE', '1');
    layer.send(request, bob.flow, handler);
    network.flush();
    bob.reply(bob.lastRequest('INVITE'), 486);
    bob.reply(bob.lastRequest('INVITE'), 486);
    expect(bob.methods).toEqual(['INVITE', 'ACK', 'ACK']);
    expect(handler.events).toEqual(['486']);
    const ack = bob.lastRequest('ACK');
    expect(ack.uri).toBe(request.uri);
    expect(ack.via.branch).toBe(request.via.branch);
    expect(ack.to.tag).toBe('bob-tag');
    expect(headerValue(ack, 'cseq')).toBe('1 ACK');
    expect(headerValues(ack, 'via')).toHaveLength(1);
    advance(32_000);
    expectNothingLeft();
  });

  it('hands every 2xx up and keeps Accepted for Timer M (RFC 6026 §7.2)', () => {
    const bob = new MemoryPhone(network, 'bob', 'ws');
    const handler = new RecordingHandler();
    layer.send(outgoing('INVITE', '1'), bob.flow, handler);
    network.flush();
    bob.reply(bob.lastRequest('INVITE'), 200);
    advance(31_000);
    bob.reply(bob.lastRequest('INVITE'), 200, 'another');
    expect(handler.events).toEqual(['200', '200']);
    advance(1000);
    expectNothingLeft();
    bob.reply(bob.lastRequest('INVITE'), 200);
    expect(user.events).toEqual(['stray 200']);
  });

  it('retransmits other requests on Timer E, at T2 after a provisional, and ends at Timer F (§17.1.2)', () => {
    const bob = new MemoryPhone(network, 'bob');
    const handler = new RecordingHandler();
    layer.send(outgoing('MESSAGE', '1'), bob.flow, handler);
    network.flush();
    advance(500);
    expect(bob.requests).toHaveLength(2);
    bob.reply(bob.lastRequest('MESSAGE'), 100);
    for (let i = 0; i < 3150; i++) advance(10);
    // 0, 0.5, 1.5 (already running), then every 4 s until 32 s
    expect(bob.requests).toHaveLength(3 + 7);
    expect(handler.events).toEqual(['100', 'timeout']);
    expectNothingLeft();
  });

  it('absorbs retransmitted finals of other requests for Timer K', () => {
    const bob = new MemoryPhone(network, 'bob');
    const handler = new RecordingHandler();
    layer.send(outgoing('MESSAGE', '1'), bob.flow, handler);
    network.flush();
    bob.reply(bob.lastRequest('MESSAGE'), 200);
    bob.reply(bob.lastRequest('MESSAGE'), 200);
    expect(handler.events).toEqual(['200']);
    expect(user.events).toEqual([]);
    advance(5000);
    expectNothingLeft();
  });

  it('fails at once when the flow is closed, before or during the transaction', () => {
    const bob = new MemoryPhone(network, 'bob', 'ws');
    const handler = new RecordingHandler();
    layer.send(outgoing('INVITE', '1'), bob.flow, handler);
    network.flush();
    bob.reply(bob.lastRequest('INVITE'), 180);
    layer.send(outgoing('MESSAGE', '2'), bob.flow, handler);
    bob.flow.close('gone');
    expect(handler.events).toEqual(['180', 'transport error', 'transport error']);
    layer.send(outgoing('INVITE', '3'), bob.flow, handler);
    expect(handler.events).toHaveLength(4);
    expectNothingLeft();
  });

  it('holds a CANCEL back until a provisional came, and gives up 64*T1 after it (§9.1)', () => {
    const bob = new MemoryPhone(network, 'bob');
    const handler = new RecordingHandler();
    const transaction = layer.send(outgoing('INVITE', '1'), bob.flow, handler);
    transaction.cancel();
    network.flush();
    expect(bob.methods).toEqual(['INVITE']);
    bob.reply(bob.lastRequest('INVITE'), 100);
    expect(bob.methods).toEqual(['INVITE', 'CANCEL']);
    const cancel = bob.lastRequest('CANCEL');
    expect(cancel.via.branch).toBe(bob.lastRequest('INVITE').via.branch);
    expect(headerValue(cancel, 'cseq')).toBe('1 CANCEL');
    bob.reply(cancel, 200);
    transaction.cancel();
    advance(32_000);
    expect(bob.methods).toEqual(['INVITE', 'CANCEL']);
    expect(handler.events).toEqual(['100', 'timeout']);
    expectNothingLeft();
  });

  it('sends no CANCEL when the final response was first', () => {
    const bob = new MemoryPhone(network, 'bob');
    const handler = new RecordingHandler();
    const transaction = layer.send(outgoing('INVITE', '1'), bob.flow, handler);
    transaction.cancel();
    network.flush();
    bob.reply(bob.lastRequest('INVITE'), 200);
    expect(bob.methods).toEqual(['INVITE']);
    expect(handler.events).toEqual(['200']);
  });
});

describe('bounds', () => {
  it('refuses new requests statelessly at maxTransactions and leaves room for dialogs', async () => {
    const small = new TransactionLayer({
      transport: network,
      clock,
      random: systemRandom,
      logger: silentLogger,
      limits: { maxTransactions: 4, retryAfterSeconds: 7 },
    });
    await small.start(user);
    const alice = new MemoryPhone(network, 'alice');
    for (let i = 0; i < 6; i++) alice.request('INVITE', 'sip:bob@example.com');
    expect(user.transactions).toHaveLength(4);
    expect(alice.statuses).toEqual([503, 503]);
    expect(headerValue(alice.lastResponse(), 'retry-after')).toBe('7');
    alice.inDialog('BYE', {
      callId: 'x',
      local: '<sip:alice@example.com>;tag=1',
      remote: '<sip:bob@example.com>;tag=2',
      target: 'sip:bob@10.0.0.2',
      routes: [],
    });
    expect(user.events.at(-1)).toBe('request BYE');
    expect(small.counts()).toMatchObject({ server: 5, refused: 2 });
    small.close();
    expect(small.counts()).toMatchObject({ server: 0, client: 0, timers: 0 });
  });
});

function ackHeaders(invite: SipRequest, method = 'ACK'): SipRequest['headers'] {
  return invite.headers.map((field) =>
    field.name === 'cseq' ? { ...field, value: `${invite.cseq.number} ${method}` } : field,
  );
}

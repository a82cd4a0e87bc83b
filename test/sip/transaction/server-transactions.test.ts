import { beforeEach, describe, expect, it } from 'vitest';
import {
  createResponse,
  headerField,
  headerValue,
  serializeMessage,
} from '../../../src/sip/message/index.ts';
import { derivedFrom, LayerBench } from './layer-bench.ts';

let bench: LayerBench;
beforeEach(() => {
  bench = new LayerBench();
});

describe('server transactions (RFC 3261 §17.2)', () => {
  it('answers a retransmitted INVITE with the last provisional, byte for byte, and asks the user once', () => {
    const alice = bench.phone('alice');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    bench.respond(bench.user.last(), 180);
    alice.send(invite);
    alice.send(invite);
    expect(bench.user.events).toEqual(['request INVITE']);
    expect(alice.statuses).toEqual([180, 180, 180]);
    expect(alice.responses[2]).toEqual(alice.responses[0]);
  });

  it('retransmits a non-2xx final on Timer G until the ACK, which is absorbed (§17.2.1)', () => {
    const alice = bench.phone('alice');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    bench.respond(bench.user.last(), 486);
    bench.advance(500);
    bench.advance(1000);
    expect(alice.statuses).toEqual([486, 486, 486]);
    alice.send(derivedFrom(invite, 'ACK'));
    bench.advance(4000);
    expect(alice.statuses).toHaveLength(3);
    expect(bench.user.events).toEqual(['request INVITE']);
    bench.advance(1000);
    bench.expectNothingLeft();
  });

  it('caps Timer G at T2 and gives up at Timer H', () => {
    const alice = bench.phone('alice');
    alice.request('INVITE', 'sip:bob@example.com');
    bench.respond(bench.user.last(), 486);
    for (let i = 0; i < 3400; i++) bench.advance(10);
    // 0.5, 1, 2, 4, 4, ... within 32 s
    expect(alice.statuses).toHaveLength(1 + 10);
    bench.expectNothingLeft();
  });

  it('neither retransmits nor lingers over a reliable transport (Timers G and I)', () => {
    const alice = bench.phone('alice', 'ws');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    bench.respond(bench.user.last(), 486);
    bench.advance(10_000);
    expect(alice.statuses).toEqual([486]);
    alice.send(derivedFrom(invite, 'ACK'));
    bench.expectNothingLeft();
  });

  it('absorbs retransmissions in Accepted, passes every 2xx, and ends with Timer L (RFC 6026 §7.1)', () => {
    const alice = bench.phone('alice');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    bench.respond(bench.user.last(), 200);
    alice.send(invite);
    expect(alice.statuses).toEqual([200]);
    bench.respond(bench.user.last(), 200);
    expect(alice.statuses).toEqual([200, 200]);
    expect(bench.user.events).toEqual(['request INVITE']);
    bench.advance(32_000);
    bench.expectNothingLeft();
  });

  it('lets a 2xx pass after another final response (§16.7 step 5) without losing what it retransmits', () => {
    const alice = bench.phone('alice');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    bench.respond(bench.user.last(), 408);
    bench.respond(bench.user.last(), 200);
    bench.respond(bench.user.last(), 486);
    alice.send(invite);
    expect(alice.statuses).toEqual([408, 200, 408]);
  });

  it('keeps the answer of a non-INVITE request for Timer J over UDP, not at all over TCP (§17.2.2)', () => {
    const alice = bench.phone('alice');
    const message = alice.request('MESSAGE', 'sip:bob@example.com');
    alice.send(message);
    expect(alice.statuses).toEqual([]);
    bench.respond(bench.user.last(), 200);
    alice.send(message);
    expect(alice.statuses).toEqual([200, 200]);
    expect(bench.user.events).toEqual(['request MESSAGE']);
    bench.advance(32_000);
    bench.expectNothingLeft();

    const tcp = bench.phone('tina', 'tcp');
    tcp.request('MESSAGE', 'sip:bob@example.com');
    bench.respond(bench.user.last(), 200);
    bench.expectNothingLeft();
  });

  it('matches RFC 2543 requests without the magic cookie by their fields (§17.2.3)', () => {
    const alice = bench.phone('alice');
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
    expect(bench.user.events).toEqual(['request INVITE', 'request INVITE', 'request INVITE']);
  });

  it('answers an ACK flood with silence and hands a stray ACK up', () => {
    const alice = bench.phone('alice');
    for (let i = 0; i < 5; i++) alice.request('ACK', 'sip:bob@example.com');
    expect(alice.responses).toEqual([]);
    expect(bench.user.events).toHaveLength(5);
    bench.expectNothingLeft();
  });

  it('tells the user when the flow of a pending INVITE closes, and forgets other requests (§17.2.4)', () => {
    const alice = bench.phone('alice', 'ws');
    alice.request('INVITE', 'sip:bob@example.com');
    const invite = bench.user.last();
    alice.request('MESSAGE', 'sip:bob@example.com');
    alice.flow.close('gone');
    expect(bench.user.events.slice(2).sort()).toEqual(['transport error INVITE', 'transport error MESSAGE']);
    bench.respond(invite, 487);
    bench.expectNothingLeft();
  });
});

describe('CANCEL (RFC 3261 §9.2)', () => {
  it('is answered 200 and reaches the pending INVITE once, retransmissions included', () => {
    const alice = bench.phone('alice');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    alice.send(derivedFrom(invite, 'CANCEL'));
    alice.send(derivedFrom(invite, 'CANCEL'));
    expect(alice.statuses).toEqual([200, 200]);
    expect(bench.user.events).toEqual(['request INVITE', `cancel ${invite.callId}`]);
  });

  it('has no effect after a final response, but is answered 200', () => {
    const alice = bench.phone('alice');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    bench.respond(bench.user.last(), 200);
    alice.send(derivedFrom(invite, 'CANCEL'));
    expect(alice.statuses).toEqual([200, 200]);
    expect(bench.user.events).toEqual(['request INVITE']);
  });

  it('is answered 481 when it matches nothing', () => {
    const alice = bench.phone('alice');
    alice.request('CANCEL', 'sip:bob@example.com');
    expect(alice.statuses).toEqual([481]);
    expect(bench.user.events).toEqual([]);
  });

  it('is answered 481 from another flow than the INVITE came on: a guessed branch cancels nothing (negative test 27)', () => {
    const alice = bench.phone('alice');
    const mallory = bench.phone('mallory');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    mallory.send(derivedFrom(invite, 'CANCEL'));
    expect(mallory.statuses).toEqual([481]);
    expect(bench.user.events).toEqual(['request INVITE']);
  });
});

describe('bounds', () => {
  it('tells phones apart that have the same branch and sent-by behind different NATs', () => {
    const [alice, anna] = [bench.phone('alice'), bench.phone('anna')];
    for (const phone of [alice, anna]) phone.request('INVITE', 'sip:bob@example.com', { branch: '1' });
    expect(bench.user.events).toEqual(['request INVITE', 'request INVITE']);
    for (const transaction of bench.user.transactions) bench.respond(transaction, 486);
    expect([alice.statuses, anna.statuses]).toEqual([[486], [486]]);
  });

  it('lets nobody else end or repeat a transaction with a guessed branch', () => {
    const [alice, mallory] = [bench.phone('alice'), bench.phone('mallory')];
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    bench.respond(bench.user.last(), 486);
    mallory.send(derivedFrom(invite, 'ACK'));
    bench.advance(500);
    expect(alice.statuses).toEqual([486, 486]);
    mallory.send(invite);
    expect(alice.statuses).toEqual([486, 486]);
    expect(mallory.statuses).toEqual([]);
  });

  it('knows a phone again whose NAT has given it another port', () => {
    const alice = bench.phone('alice');
    const moved = bench.phone('alice', 'udp', alice.flow.remote.address);
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    bench.respond(bench.user.last(), 180);
    moved.send(invite);
    expect(bench.user.events).toEqual(['request INVITE']);
  });

  it('declines once, without keeping anything, and with at most 1.5 times the request (§8.2.7)', () => {
    const alice = bench.phone('alice');
    const decline = (padding: number): void => {
      const { request } = bench.user.last();
      const headers = [headerField('Proxy-Authenticate', `Digest nonce="${'n'.repeat(padding)}"`)];
      bench.user.last().decline(createResponse(request, 407, undefined, { toTag: 'gw', headers }));
      bench.network.flush();
    };
    alice.request('INVITE', 'sip:bob@example.com');
    decline(20);
    expect(alice.lastResponse().reason).toBe('Proxy Authentication Required');
    bench.expectNothingLeft();
    alice.request('INVITE', 'sip:bob@example.com');
    const { wireBytes = 0 } = bench.user.last().request;
    const full = serializeMessage(alice.lastResponse()).length;
    const room = Math.floor(1.5 * wireBytes) - full + 20;
    decline(room + 1);
    expect(alice.lastResponse().reason).toBe('');
    expect(headerValue(alice.lastResponse(), 'proxy-authenticate')).toHaveLength(
      'Digest nonce=""'.length + room + 1,
    );
    alice.request('INVITE', 'sip:bob@example.com');
    decline(room + 100);
    expect(alice.statuses).toEqual([407, 407]);
    bench.expectNothingLeft();
  });

  it('makes no transaction for what is answered at once, over UDP and TCP (§8.2.7)', () => {
    const headers = [headerField('WWW-Authenticate', 'Digest nonce="n"')];
    bench.user.atOnce = { method: 'REGISTER', status: 401, headers };
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob', 'tcp')];
    const register = alice.request('REGISTER', 'sip:example.com');
    alice.send(register);
    bob.request('REGISTER', 'sip:example.com');
    expect([alice.statuses, bob.statuses]).toEqual([[401, 401], [401]]);
    expect(bench.user.events).toEqual([]);
    bench.user.atOnce = {
      method: 'REGISTER',
      status: 401,
      headers: [headerField('X-Long', 'x'.repeat(1_000))],
    };
    alice.request('REGISTER', 'sip:example.com');
    expect([alice.lastResponse().status, alice.lastResponse().reason]).toEqual([401, '']);
    bench.expectNothingLeft();
  });

  it('counts a 100 that went before as part of what is declined with', () => {
    const alice = bench.phone('alice');
    alice.request('INVITE', 'sip:bob@example.com');
    const transaction = bench.user.last();
    bench.respond(transaction, 100);
    const headers = [headerField('X-Long', 'x'.repeat(100))];
    transaction.decline(createResponse(transaction.request, 403, undefined, { toTag: 'gw', headers }));
    bench.network.flush();
    expect(alice.statuses).toEqual([100]);
    bench.expectNothingLeft();
  });

  it('declines over a connection as it refuses', () => {
    const alice = bench.phone('alice', 'tcp');
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    const transaction = bench.user.last();
    const headers = [headerField('X-Long', 'x'.repeat(2_000))];
    transaction.decline(createResponse(transaction.request, 403, undefined, { toTag: 'gw', headers }));
    bench.network.flush();
    expect(headerValue(alice.lastResponse(), 'x-long')).toHaveLength(2_000);
    alice.send(derivedFrom(invite, 'ACK'));
    expect(bench.user.events).toEqual(['request INVITE']);
    bench.expectNothingLeft();
  });

  it('refuses new requests statelessly at maxTransactions and leaves room for dialogs', () => {
    const small = new LayerBench({ limits: { maxTransactions: 4, retryAfterSeconds: 7 } });
    const alice = small.phone('alice');
    for (let i = 0; i < 6; i++) alice.request('INVITE', 'sip:bob@example.com');
    expect(small.user.transactions).toHaveLength(4);
    expect(alice.statuses).toEqual([503, 503]);
    expect(headerValue(alice.lastResponse(), 'retry-after')).toBe('7');
    alice.inDialog('BYE', {
      callId: 'x',
      local: '<sip:alice@example.com>;tag=1',
      remote: '<sip:bob@example.com>;tag=2',
      target: 'sip:bob@10.0.0.2',
      routes: [],
    });
    expect(small.user.events.at(-1)).toBe('request BYE');
    expect(small.layer.counts()).toMatchObject({ server: 5, refused: 2 });
    small.layer.close();
    small.expectNothingLeft();
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokenReference } from '../../src/gateway/intent-gate.ts';
import { addressParty, type StoredRecord } from '../../src/provenance/index.ts';
import { headerField, headerValue, type SipRequest } from '../../src/sip/index.ts';
import { decodeIntentToken } from '../../src/tokens/index.ts';
import { expectFourLayers } from '../support/record-layers.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { establish, exchange, ring } from '../support/sip-call.ts';
import { calleeDialog, callerDialog, cancelOf } from '../support/sip-dialog.ts';
import { newIdentity, TestGateway } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';

let gateway: TestGateway;
const alice = newIdentity('jis:alice');
const bob = newIdentity('jis:bob');
let caller: SipAgent;
let callee: SipAgent;
let desk: SipAgent;

beforeAll(async () => {
  gateway = await TestGateway.open({
    devices: [
      { name: 'desk', password: 'pw' },
      { name: 'absent', password: 'pw' },
    ],
    set: ['calls.ringTimeoutMs=1000'],
  });
  caller = await gateway.keyPhone('alice', 'udp', { identity: alice });
  callee = await gateway.keyPhone('bob', 'ws', { identity: bob });
  desk = await gateway.stockPhone('desk', 'udp');
  for (const phone of [caller, callee, desk]) expect((await phone.register()).status).toBe(200);
});
afterAll(() => gateway.close());

/** The answer waits for the attempt's record only: the closing ones may still be on their way to the disk. */
async function closings(callId: string, count: number): Promise<void> {
  await until('the calls are closed', async () => {
    const records = await gateway.records({ callId });
    return records.filter(({ call }) => call?.phase === 'close').length >= count;
  });
}

/** The records of the call of a SIP Call-ID, checked for what every call must leave. */
async function chainOf({ callId }: { readonly callId: string }): Promise<StoredRecord[]> {
  await closings(callId, 1);
  const chain = await gateway.records({ callId });
  for (const record of chain) expectFourLayers(record);
  expect(chain.filter(({ call }) => call?.phase === 'attempt')).toHaveLength(1);
  expect(chain.filter(({ call }) => call?.phase === 'close')).toHaveLength(1);
  expect(new Set(chain.map(({ call }) => call?.id)).size).toBe(1);
  // Each record names the one before it.
  expect(chain.slice(1).map(({ eraan }) => eraan['previous'])).toEqual(
    chain.slice(0, -1).map(({ id }) => id),
  );
  return chain;
}

function eventsOf(chain: readonly StoredRecord[]): string[] {
  return chain.map(({ event }) => event);
}

function closeOf(chain: readonly StoredRecord[]): Readonly<Record<string, unknown>> {
  return chain.at(-1)?.erin ?? {};
}

describe('a call leaves one attempt and one closing record (design §6)', () => {
  it('answered: attempt, ringing, answer, end; the intent and both identities stand in each', async () => {
    const call = await establish(caller, callee, undefined, { intent: 'callback, ticket 4711' });
    await exchange(callee, caller, call.calleeSide, 'BYE');
    const chain = await chainOf(call.invite);
    expect(eventsOf(chain)).toEqual(['call.attempt', 'call.ringing', 'call.answer', 'call.end']);
    for (const { erachter, parties } of chain) {
      expect(erachter).toBe('callback, ticket 4711');
      expect(parties.map(({ fingerprint, role }) => [fingerprint, role])).toEqual([
        [alice.token.fingerprint, 'caller'],
        [bob.token.fingerprint, 'callee'],
      ]);
    }
    expect(closeOf(chain)).toMatchObject({ outcome: 'answered', by: 'callee' });
    expect(chain[0]?.erin).toMatchObject({ assurance: 3, signedBy: 'device' });
    expect(chain[0]?.eromheen).toMatchObject({ transport: 'udp', source: `127.0.0.1:${caller.localPort}` });
  });

  it('and rests on the registrations of both parties and on the intent token', async () => {
    const { invite, callerSide } = await establish(caller, callee);
    await exchange(caller, callee, callerSide, 'BYE');
    const [attempt] = await chainOf(invite);
    const registrations = await newestRegistrations(alice.token.fingerprint, bob.token.fingerprint);
    expect(attempt?.eraan['parents']).toEqual(registrations);
    expect(attempt?.eraan['tokens']).toEqual([referenceIn(invite)]);
  });

  it('signed by the gateway for a stock phone: assurance 1, and the token that went out', async () => {
    const { invite, callerSide } = await establish(desk, callee, undefined, {
      headers: [headerField('Subject', 'stand-up')],
    });
    await exchange(desk, callee, callerSide, 'BYE');
    const [attempt] = await chainOf(invite);
    expect(attempt?.erin).toMatchObject({ assurance: 1, signedBy: 'gateway' });
    expect(attempt?.eraan['tokens']).toEqual([referenceIn(invite)]);
    expect(attempt?.erachter).toBe('stand-up');
  });

  it.each([
    ['by the caller', () => caller, "The caller's own key signed the intent"],
    // Its token brings along the identity that nobody here knows.
    ['by a newcomer', () => gateway.keyPhone('newcomer', 'ws'), "The caller's own key signed the intent"],
    ['by the gateway', () => desk, "A gateway signed the intent on the caller's behalf"],
  ])('whose intent, signed %s, an auditor checks with the verifier key alone', async (_, phoneOf, says) => {
    const phone = await phoneOf();
    const { invite, callerSide } = await establish(phone, callee);
    await exchange(phone, callee, callerSide, 'BYE');
    const [attempt] = await chainOf(invite);
    const report = await gateway.proofOf(attempt?.id ?? '');
    expect(report.verdict).toBe('UNWITNESSED');
    expect(report.checks).toContainEqual({ name: 'Signed intent', ok: true, says });
    expect(report.proved.join(' ')).toContain('for this very call');
  });

  it('of each identity in an unbroken sequence', async () => {
    const records = await gateway.records({ identity: alice.token.fingerprint });
    const own = records.map(({ id, parties }) => ({
      id,
      party: parties.find(({ fingerprint }) => fingerprint === alice.token.fingerprint),
    }));
    expect(own.map(({ party }) => party?.seq)).toEqual(own.map((_, at) => at + 1));
    expect(own.slice(1).map(({ party }) => party?.prev)).toEqual(own.slice(0, -1).map(({ id }) => id));
  });

  it.each([
    ['busy', 486, 'busy', 'call.failure'],
    ['declined', 603, 'refused', 'call.refusal'],
    ['failed', 500, 'failed', 'call.failure'],
    ['not available', 480, 'unreachable', 'call.failure'],
  ])('%s: attempt, ringing, and how it ended', async (_, status, outcome, event) => {
    const { request, invite } = await ring(caller, callee);
    callee.reply(invite, status);
    expect((await caller.final(request)).status).toBe(status);
    const chain = await chainOf(request);
    expect(eventsOf(chain)).toEqual(['call.attempt', 'call.ringing', event]);
    expect(closeOf(chain)).toMatchObject({ outcome, status, by: 'callee' });
  });

  it('cancelled', async () => {
    const { request, invite } = await ring(caller, callee);
    const cancel = cancelOf(request);
    caller.send(cancel);
    callee.reply(await callee.incoming('CANCEL'), 200);
    callee.reply(invite, 487);
    expect((await caller.final(request)).status).toBe(487);
    const chain = await chainOf(request);
    expect(eventsOf(chain)).toEqual(['call.attempt', 'call.ringing', 'call.cancel']);
    expect(closeOf(chain)).toMatchObject({ outcome: 'cancelled', by: 'caller' });
  });

  it('unanswered until Timer C fires (RFC 3261 §16.8)', async () => {
    const { request, invite } = await ring(caller, callee);
    callee.reply(await callee.incoming('CANCEL'), 200);
    callee.reply(invite, 487);
    expect((await caller.final(request)).status).toBe(408);
    const chain = await chainOf(request);
    expect(eventsOf(chain)).toEqual(['call.attempt', 'call.ringing', 'call.failure']);
    expect(closeOf(chain)).toMatchObject({ outcome: 'unanswered', by: 'gateway' });
  });

  it('whose callee’s connection broke', async () => {
    const phone = await gateway.keyPhone('breaking', 'tcp');
    await phone.register();
    const { request } = await ring(caller, phone);
    await phone.close();
    await caller.final(request);
    expect(closeOf(await chainOf(request))).toMatchObject({ outcome: 'unreachable', by: 'gateway' });
  });

  it.each([
    ['an identity that nobody holds', 'nobody', {}, 404, 'unknown', 'call.failure'],
    ['one that is not reachable', 'absent', {}, 480, 'unreachable', 'call.failure'],
    [
      'a From that is not the caller’s',
      'bob',
      { from: '<sip:bob@sip.test>;tag=one' },
      403,
      'refused',
      'call.refusal',
    ],
    ['names of any length', 'x'.repeat(7_000), {}, 404, 'unknown', 'call.failure'],
    [
      'a request that has no hop left, before anybody is asked who calls',
      'bob',
      { maxForwards: 0 },
      483,
      'failed',
      'call.failure',
    ],
  ])('refused at once: %s', async (_, user, options, status, outcome, event) => {
    const { request, response } = await desk.ask('INVITE', `sip:${user}@${gateway.domain}`, options);
    expect(response.status).toBe(status);
    const chain = await chainOf(request);
    expect(eventsOf(chain)).toEqual(['call.attempt', event]);
    expect(closeOf(chain)).toMatchObject({ outcome, status, by: 'gateway' });
  });

  it('refused for a token that proves nothing, with what it claimed to be', async () => {
    const stranger = await gateway.stranger('alice', 'udp');
    const long = 'y'.repeat(7_000);
    const headers = [headerField('Intent-Token', 'AAAA'), headerField('User-Agent', long)];
    const { request, response } = await stranger.ask('INVITE', `sip:${long}@${gateway.domain}`, { headers });
    expect(response.status).toBe(403);
    const chain = await chainOf(request);
    expect(eventsOf(chain)).toEqual(['call.attempt', 'call.refusal']);
    expect(chain[0]?.erin).toMatchObject({ assurance: 0, signedBy: 'nobody' });
    // Not alice's: what was claimed in her name is numbered, and can be erased, by itself.
    expect(chain[0]?.parties).toMatchObject([
      { role: 'caller', fingerprint: addressParty(`alice@${gateway.domain}`) },
      { role: 'callee' },
    ]);
  });

  it('but none for a challenge, which nobody has answered yet', async () => {
    const stranger = await gateway.stranger('alice', 'udp');
    const { request, response } = await stranger.ask('INVITE', `sip:bob@${gateway.domain}`);
    expect(response.status).toBe(407);
    expect(await gateway.records({ callId: request.callId })).toEqual([]);
  });

  it('and none more for retransmissions, a re-INVITE or a second BYE', async () => {
    const { invite, callerSide, calleeSide } = await establish(caller, callee);
    await exchange(caller, callee, callerSide, 'INVITE');
    await exchange(caller, callee, callerSide, 'BYE');
    await exchange(callee, caller, calleeSide, 'BYE', {}, 481);
    const chain = await chainOf(invite);
    expect(eventsOf(chain)).toEqual(['call.attempt', 'call.ringing', 'call.answer', 'call.end']);
  });

  it('as cancelled when its caller hangs up before the answer, and not before its INVITE has ended (RFC 3261 §15)', async () => {
    for (const answered of [false, true]) {
      const { request, invite } = await ring(caller, callee);
      const ringing = caller.inbox.all.findLast((one) => one.kind === 'response' && one.status === 180);
      if (ringing?.kind !== 'response') throw new Error('nothing rings');
      await exchange(caller, callee, callerDialog(ringing), 'BYE');
      const sent = callee.reply(invite, answered ? 200 : 487);
      const final = await caller.final(request);
      if (answered) {
        // It goes on all the same: what both say of a BYE before does not take it out of the records.
        caller.inDialog(callerDialog(final), 'ACK');
        await callee.incoming('ACK');
        await exchange(callee, caller, calleeDialog(invite, sent), 'BYE');
      }
      const chain = await chainOf(invite);
      expect(closeOf(chain)).toMatchObject(
        answered ? { outcome: 'answered', by: 'callee' } : { outcome: 'cancelled', by: 'caller' },
      );
      expect(eventsOf(chain).includes('call.answer')).toBe(answered);
    }
  });

  it('until the last of the phones that have answered at once has hung up (RFC 3261 §13.2.2.4)', async () => {
    const twin = newIdentity('jis:twin');
    const [one, two] = [
      await gateway.keyPhone('twin', 'tcp', { identity: twin }),
      await gateway.keyPhone('twin', 'ws', { identity: twin }),
    ];
    for (const phone of [one, two]) expect((await phone.register()).status).toBe(200);
    const { request } = await caller.begin('INVITE', one.address);
    const invites = [await one.incoming('INVITE'), await two.incoming('INVITE')] as const;
    one.reply(invites[0], 200);
    const first = callerDialog(await caller.final(request));
    two.reply(invites[1], 200);
    const second = callerDialog(await caller.final(request));
    for (const [dialog, phone] of [
      [first, one],
      [second, two],
    ] as const) {
      caller.inDialog(dialog, 'ACK');
      await phone.incoming('ACK');
    }
    await exchange(caller, two, second, 'BYE');
    // Records keep their order: once a later call is closed, this one would be.
    const later = await establish(desk, callee);
    await exchange(desk, callee, later.callerSide, 'BYE');
    await chainOf(later.invite);
    expect((await gateway.records({ callId: request.callId })).map(({ event }) => event)).not.toContain(
      'call.end',
    );
    await exchange(caller, one, first, 'BYE');
    expect(eventsOf(await chainOf(request))).toEqual(['call.attempt', 'call.answer', 'call.end']);
  });

  it('or it is refused: within the dialog of a call that is over, or of a subscription, nobody calls unrecorded', async () => {
    const { callerSide } = await establish(caller, callee);
    await exchange(caller, callee, callerSide, 'BYE');
    const { request } = await caller.begin('SUBSCRIBE', callee.address, {
      headers: [headerField('Event', 'presence')],
    });
    callee.reply(await callee.incoming('SUBSCRIBE'), 200);
    const subscription = callerDialog(await caller.final(request));
    for (const dialog of [callerSide, subscription]) {
      const response = await caller.final(caller.inDialog(dialog, 'INVITE'));
      expect([response.status, response.reason]).toEqual([403, 'No Call On Record']);
    }
    // The subscription itself goes on.
    await exchange(caller, callee, subscription, 'SUBSCRIBE', {
      headers: [headerField('Event', 'presence'), headerField('Expires', '0')],
    });
  });

  it('when several calls of one Call-ID and From tag are up at once: none hides another', async () => {
    const calls = [];
    for (let made = 0; made < 3; made++)
      calls.push(await establish(desk, callee, undefined, { callId: 'hidden' }));
    for (const { calleeSide } of [...calls].slice(0, 2)) await exchange(callee, desk, calleeSide, 'BYE');
    const [, , last] = calls;
    if (last !== undefined) await exchange(desk, callee, last.callerSide, 'BYE');
    await closings('hidden', 3);
    const records = await gateway.records({ callId: 'hidden' });
    const ends = records.filter(({ event }) => event === 'call.end');
    expect(ends.map(({ erin }) => String(erin['by'])).toSorted()).toEqual(['callee', 'callee', 'caller']);
    expect(new Set(ends.map(({ call }) => call?.id)).size).toBe(3);
  });

  it('when two calls use one Call-ID, with records of their own', async () => {
    const first = await ring(caller, callee, undefined, { callId: 'shared' });
    callee.reply(first.invite, 486);
    await caller.final(first.request);
    const second = await ring(caller, callee, undefined, { callId: 'shared' });
    callee.reply(second.invite, 486);
    await caller.final(second.request);
    await closings('shared', 2);
    const records = await gateway.records({ callId: 'shared' });
    expect(new Set(records.map(({ call }) => call?.id)).size).toBe(2);
    expect(records.filter(({ call }) => call?.phase === 'close')).toHaveLength(2);
  });
});

describe('the whole log of all these calls', () => {
  it('has exactly one closing record for each attempt once the gateway has stopped, and verifies', async () => {
    const abandoned = await establish(caller, callee);
    await ring(desk, callee);
    await gateway.stop();
    const records = await gateway.records();
    const closings = new Map<string, number>();
    for (const { call } of records) {
      if (call?.phase === 'attempt') closings.set(call.id, 0);
      if (call?.phase === 'close') closings.set(call.id, (closings.get(call.id) ?? 0) + 1);
    }
    expect(closings.size).toBeGreaterThan(15);
    expect(new Set(closings.values())).toEqual(new Set([1]));
    const last = records.findLast(({ erin }) => erin['callId'] === abandoned.invite.callId);
    expect(last?.erin).toMatchObject({ outcome: 'interrupted', by: 'gateway' });
    for (const { erachter } of records) expect(erachter).not.toBe('');
    expect((await gateway.verifyLog()).problems).toEqual([]);
  });
});

function referenceIn(invite: SipRequest): string {
  return tokenReference(decodeIntentToken(headerValue(invite, 'intent-token') ?? '').bytes);
}

async function newestRegistrations(...fingerprints: readonly string[]): Promise<(string | undefined)[]> {
  const records = await gateway.records({ event: 'registration.added' });
  return fingerprints.map(
    (fingerprint) => records.findLast(({ parties }) => parties[0]?.fingerprint === fingerprint)?.id,
  );
}

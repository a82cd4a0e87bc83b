import { beforeEach, describe, expect, it } from 'vitest';
import { headerField, headerValue } from '../../../src/sip/message/index.ts';
import { cancelOf, ProxyBench } from './proxy-bench.ts';

let bench: ProxyBench;
beforeEach(() => {
  bench = new ProxyBench();
});

const maxBreadth = (value: string): { headers: ReturnType<typeof headerField>[] } => ({
  headers: [headerField('Max-Breadth', value)],
});

describe('Max-Breadth (RFC 5393 §5.3.3)', () => {
  it.each([
    ['none', undefined],
    ['nonsense', 'many'],
  ])('starts at 60 when there is %s', (_, value) => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('MESSAGE', 'sip:bob@example.com', value === undefined ? {} : maxBreadth(value));
    expect(headerValue(bob.lastRequest('MESSAGE'), 'max-breadth')).toBe('60');
  });

  it('is shared out between parallel branches, and an INVITE keeps half back for who joins later', () => {
    const alice = bench.phone('alice');
    const phones = ['b0', 'b1'].map((name) => bench.phone(name));
    bench.forwardTo(phones.map((phone) => bench.target(phone)));
    alice.request('INVITE', 'sip:bob@example.com', maxBreadth('20'));
    alice.request('MESSAGE', 'sip:bob@example.com', maxBreadth('20'));
    for (const phone of phones) {
      expect(headerValue(phone.lastRequest('INVITE'), 'max-breadth')).toBe('5');
      expect(headerValue(phone.lastRequest('MESSAGE'), 'max-breadth')).toBe('10');
    }
    const late = bench.phone('late');
    expect(bench.observer.forwarded?.addTarget(bench.target(late))).toBe(true);
  });

  it('of 1 tries equal targets one after another', () => {
    const [alice, b1, b2] = [bench.phone('alice'), bench.phone('b1'), bench.phone('b2')];
    bench.forwardTo([bench.target(b1), bench.target(b2)]);
    alice.request('INVITE', 'sip:bob@example.com', maxBreadth('1'));
    expect([b1.methods, b2.methods]).toEqual([['INVITE'], []]);
    b1.reply(b1.lastRequest('INVITE'), 486);
    expect(b2.methods).toEqual(['INVITE']);
    b2.reply(b2.lastRequest('INVITE'), 200);
    expect(alice.statuses).toEqual([100, 200]);
    bench.expectNothingLeft();
  });

  it('of 0 is answered 440', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    alice.request('INVITE', 'sip:bob@example.com', maxBreadth('0'));
    expect(alice.statuses).toEqual([100, 440]);
    expect(bob.methods).toEqual([]);
    bench.expectNothingLeft();
  });
});

describe('an INVITE that arrives twice, over different paths (RFC 3261 §8.2.2.2)', () => {
  it('is merged: 482 to the second, and the first goes on', () => {
    const [alice, pbx, bob] = [bench.phone('alice'), bench.phone('pbx'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    const via = headerField('Via', 'SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKother-path');
    pbx.send({ ...invite, headers: [via, ...invite.headers] });
    expect(pbx.statuses).toEqual([482]);
    expect(bob.methods).toEqual(['INVITE']);
    bob.reply(bob.lastRequest('INVITE'), 200);
    expect(alice.statuses).toEqual([100, 200]);
    bench.expectNothingLeft();
  });

  it('is not when a proxy before us forked it to two of our users', () => {
    const [pbx, bob] = [bench.phone('pbx'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    const invite = pbx.request('INVITE', 'sip:bob@example.com');
    const via = headerField('Via', 'SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKsecond');
    pbx.send({ ...invite, uri: 'sip:carol@example.com', headers: [via, ...invite.headers] });
    expect(pbx.statuses).toEqual([100, 100]);
    expect(bob.methods).toEqual(['INVITE', 'INVITE']);
  });

  it('is none once the first has ended, and in a dialog never', () => {
    const [alice, bob] = [bench.phone('alice'), bench.phone('bob')];
    bench.forwardTo([bench.target(bob)]);
    const invite = alice.request('INVITE', 'sip:bob@example.com');
    alice.send(cancelOf(invite));
    bob.reply(bob.lastRequest('INVITE'), 486);
    const via = headerField('Via', 'SIP/2.0/UDP 10.0.0.1:5066;branch=z9hG4bKagain');
    alice.send({ ...invite, headers: [via, ...invite.headers.filter(({ name }) => name !== 'via')] });
    expect(bob.methods.filter((method) => method === 'INVITE')).toHaveLength(2);
  });
});

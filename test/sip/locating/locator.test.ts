import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Random } from '../../../src/base/index.ts';
import {
  DnsNames,
  defaultLocatingLimits,
  LocatingError,
  type LocatingLimits,
  Locator,
  nextHopOf,
} from '../../../src/sip/locating/index.ts';
import { parseUri, type SipUri } from '../../../src/sip/message/index.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** The lowest draw each time: SRV records of one priority come in the order of their weights, zero first. */
const lowest: Random = { bytes: (length) => new Uint8Array(length) };

let dns: DnsServer;
let clock: FakeClock;
const locators: Locator[] = [];
beforeEach(async () => {
  dns = await DnsServer.open();
  clock = new FakeClock();
});
afterEach(async () => {
  for (const locator of locators.splice(0)) locator.close();
  await dns.close();
});

function locatorWith(limits: Partial<LocatingLimits> = {}): Locator {
  const locator = new Locator({
    names: new DnsNames({ servers: [dns.address], timeoutMs: 150, tries: 1 }),
    clock,
    random: lowest,
    limits: { ...defaultLocatingLimits, ...limits },
    transports: ['udp', 'tcp', 'tls'],
  });
  locators.push(locator);
  return locator;
}

/** Each target as `udp 192.0.2.1:5060`, for TLS with the name that its certificate must carry. */
async function located(text: string, locator: Locator = locatorWith()): Promise<string[]> {
  const hop = nextHopOf(parseUri(text) as SipUri);
  if (hop === undefined) throw new Error(`${text} has no next hop`);
  const targets = await locator.locate(hop);
  return targets.map(({ transport, address, port, serverName }) => {
    return `${transport} ${address}:${port}${serverName === undefined ? '' : ` as ${serverName}`}`;
  });
}

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LocatingError);
  return error instanceof LocatingError ? error.code : '';
}

describe('the transport (RFC 3263 §4.1)', () => {
  it.each([
    ['sip:192.0.2.1', 'udp 192.0.2.1:5060'],
    ['sip:bob@192.0.2.1:5070', 'udp 192.0.2.1:5070'],
    ['sip:192.0.2.1;transport=tcp', 'tcp 192.0.2.1:5060'],
    ['sip:192.0.2.1;transport=TLS', 'tls 192.0.2.1:5061'],
    ['sips:192.0.2.1', 'tls 192.0.2.1:5061'],
    ['sips:192.0.2.1;transport=tcp', 'tls 192.0.2.1:5061'],
    ['sip:[2001:db8::1]:5070', 'udp 2001:db8::1:5070'],
    ['sip:example.com;maddr=192.0.2.9', 'udp 192.0.2.9:5060'],
    ['sip:example.com:5080;maddr=[2001:db8::9];transport=tcp', 'tcp 2001:db8::9:5080'],
  ])('%s needs no DNS', async (uri, target) => {
    expect(await located(uri)).toEqual([target]);
    expect(dns.questions).toEqual([]);
  });

  it.each([
    'sip:example.com;transport=sctp',
    'sip:example.com;transport=ws',
    'sips:example.com;transport=udp',
  ])('%s is none that a gateway opens', (uri) => {
    expect(nextHopOf(parseUri(uri) as SipUri)).toBeUndefined();
  });

  it('follows NAPTR by order and preference, and leaves out what it cannot speak', async () => {
    const record = { flags: 's', replacement: '' };
    dns.naptr('example.com', {
      ...record,
      order: 10,
      preference: 20,
      service: 'SIP+D2U',
      replacement: '_sip._udp.u.example.com',
    });
    dns.naptr('example.com', {
      ...record,
      order: 10,
      preference: 5,
      service: 'SIP+D2S',
      replacement: '_sip._sctp.example.com',
    });
    dns.naptr('example.com', {
      ...record,
      order: 10,
      preference: 10,
      service: 'SIPS+D2T',
      replacement: '_sips._tcp.t.example.com',
    });
    dns.naptr('example.com', {
      ...record,
      order: 5,
      preference: 1,
      service: 'E2U+sip',
      replacement: 'nowhere.example.com',
    });
    dns.srv('_sips._tcp.t.example.com', { priority: 0, weight: 0, port: 5999, target: 'edge.example.net' });
    dns.a('edge.example.net', '192.0.2.7');
    // RFC 5922 §4: the certificate is for the name that was asked for.
    expect(await located('sip:example.com')).toEqual(['tls 192.0.2.7:5999 as example.com']);
    expect(dns.questions.some((question) => question.includes('_udp'))).toBe(false);
  });

  it('goes on to the next NAPTR record when the SRV of the first leads nowhere', async () => {
    dns.naptr('example.com', {
      order: 1,
      preference: 1,
      flags: 'S',
      service: 'sip+d2t',
      replacement: '_sip._tcp.example.com',
    });
    dns.naptr('example.com', {
      order: 2,
      preference: 1,
      flags: 's',
      service: 'SIP+D2U',
      replacement: '_sip._udp.example.com',
    });
    dns.srv('_sip._udp.example.com', { priority: 0, weight: 0, port: 5062, target: 'b.example.com' });
    dns.a('b.example.com', '192.0.2.8');
    expect(await located('sip:example.com')).toEqual(['udp 192.0.2.8:5062']);
  });

  it('asks the SRV of every transport when there is no NAPTR: of sips only the TLS one', async () => {
    dns.srv('_sip._tcp.example.com', { priority: 0, weight: 0, port: 5062, target: 'b.example.com' });
    dns.srv('_sips._tcp.example.com', { priority: 0, weight: 0, port: 5063, target: 'b.example.com' });
    dns.a('b.example.com', '192.0.2.8');
    expect(await located('sip:example.com')).toEqual(['tcp 192.0.2.8:5062']);
    expect(await located('sips:example.com')).toEqual(['tls 192.0.2.8:5063 as example.com']);
  });

  it('falls back to addresses at the default port', async () => {
    dns.a('example.com', '192.0.2.1');
    expect(await located('sip:example.com')).toEqual(['udp 192.0.2.1:5060']);
    expect(await located('sips:example.com')).toEqual(['tls 192.0.2.1:5061 as example.com']);
    expect(await located('sip:example.com;transport=tcp')).toEqual(['tcp 192.0.2.1:5060']);
  });
});

describe('port and address (RFC 3263 §4.2)', () => {
  it('asks for addresses only where the port is given', async () => {
    dns.a('example.com', '192.0.2.1');
    dns.aaaa('example.com', '2001:db8:0:0:0:0:0:1');
    expect(await located('sip:example.com:5070')).toEqual(['udp 192.0.2.1:5070', 'udp 2001:db8::1:5070']);
    expect(dns.questions.toSorted()).toEqual(['A example.com', 'AAAA example.com']);
  });

  it('asks only the SRV of a transport that is given', async () => {
    dns.srv('_sip._tcp.example.com', { priority: 0, weight: 0, port: 5062, target: 'b.example.com' });
    dns.a('b.example.com', '192.0.2.8');
    expect(await located('sip:example.com;transport=tcp')).toEqual(['tcp 192.0.2.8:5062']);
    expect(dns.questions).not.toContain('NAPTR example.com');
  });

  it('orders by priority, then by weight, and each host with all its addresses (RFC 2782)', async () => {
    dns.srv('_sip._udp.example.com', { priority: 20, weight: 9, port: 3, target: 'c.example.com' });
    dns.srv('_sip._udp.example.com', { priority: 10, weight: 60, port: 2, target: 'b.example.com' });
    dns.srv('_sip._udp.example.com', { priority: 10, weight: 0, port: 1, target: 'a.example.com' });
    dns.a('a.example.com', '192.0.2.1');
    dns.a('b.example.com', '192.0.2.2');
    dns.a('b.example.com', '192.0.2.22');
    dns.a('c.example.com', '192.0.2.3');
    expect(await located('sip:example.com;transport=udp')).toEqual([
      'udp 192.0.2.1:1',
      'udp 192.0.2.2:2',
      'udp 192.0.2.22:2',
      'udp 192.0.2.3:3',
    ]);
  });

  it('does without a host that cannot be found, and bounds how many are tried', async () => {
    for (const name of ['a', 'b', 'c', 'd'])
      dns.srv('_sip._udp.example.com', { priority: 1, weight: 0, port: 5060, target: `${name}.example.com` });
    for (const last of [1, 2, 3]) dns.a('c.example.com', `192.0.2.${last}`);
    dns.a('d.example.com', '192.0.2.4');
    const few = locatorWith({ maxTargets: 3 });
    const targets = await located('sip:example.com;transport=udp', few);
    expect(targets.toSorted()).toEqual(['udp 192.0.2.1:5060', 'udp 192.0.2.2:5060', 'udp 192.0.2.3:5060']);
  });

  it('takes the "." of a service for a no (RFC 2782)', async () => {
    dns.srv('_sip._udp.example.com', { priority: 0, weight: 0, port: 0, target: '.' });
    dns.a('example.com', '192.0.2.1');
    expect(await failure(located('sip:example.com;transport=udp'))).toBe('not-offered');
  });

  it('reads answers that are too long for UDP over TCP', async () => {
    dns.overlong.add('_sip._udp.example.com');
    dns.srv('_sip._udp.example.com', { priority: 0, weight: 0, port: 5062, target: 'b.example.com' });
    dns.a('b.example.com', '192.0.2.8');
    expect(await located('sip:example.com;transport=udp')).toEqual(['udp 192.0.2.8:5062']);
    expect(dns.questions).toContain('SRV _sip._udp.example.com over TCP');
  });
});

describe('names that lead nowhere', () => {
  it('says whether there is no such name, no answer or a failure', async () => {
    expect(await failure(located('sip:nobody.example:5060'))).toBe('not-found');
    dns.silent.add('mute.example');
    expect(await failure(located('sip:mute.example:5060'))).toBe('dns-timeout');
    dns.broken.add('broken.example');
    expect(await failure(located('sip:broken.example:5060'))).toBe('dns-failed');
  });

  it('still finds the plain host when the server fails at NAPTR and SRV', async () => {
    dns.broken.add('_sip._udp.example.com');
    dns.silent.add('_sip._tcp.example.com');
    dns.a('example.com', '192.0.2.1');
    expect(await located('sip:example.com')).toEqual(['udp 192.0.2.1:5060']);
  });

  it('lets an impatient caller go while the answer is still fetched for others', async () => {
    dns.silent.add('slow.example');
    const locator = locatorWith();
    const hop = { secure: false, transport: 'udp', host: 'slow.example', port: 5060 } as const;
    const giveUp = new AbortController();
    const impatient = failure(locator.locate(hop, giveUp.signal));
    const patient = failure(locator.locate(hop));
    giveUp.abort();
    expect(await impatient).toBe('aborted');
    expect(await patient).toBe('dns-timeout');
    expect(await failure(locator.locate(hop, AbortSignal.abort()))).toBe('aborted');
  });

  it('ends what is under way when it is closed', async () => {
    dns.silent.add('slow.example');
    const locator = locatorWith();
    const pending = failure(located('sip:slow.example:5060', locator));
    locator.close();
    expect(await pending).toBe('closed');
    expect(await failure(located('sip:192.0.2.1', locator))).toBe('closed');
  });
});

describe('the cache', () => {
  const asked = (question: string): number => dns.questions.filter((one) => one === question).length;

  it('keeps addresses for their TTL', async () => {
    dns.a('example.com', '192.0.2.1', 30);
    const locator = locatorWith();
    for (let i = 0; i < 3; i++) await located('sip:example.com:5060', locator);
    expect(asked('A example.com')).toBe(1);
    clock.advance(29_000);
    await located('sip:example.com:5060', locator);
    expect(asked('A example.com')).toBe(1);
    clock.advance(1_001);
    await located('sip:example.com:5060', locator);
    expect(asked('A example.com')).toBe(2);
  });

  it('asks once for what several want at the same time', async () => {
    dns.a('example.com', '192.0.2.1');
    const locator = locatorWith();
    await Promise.all([1, 2, 3].map(() => located('sip:example.com:5060', locator)));
    expect(asked('A example.com')).toBe(1);
  });

  it('keeps a no for a short while only', async () => {
    const locator = locatorWith({ negativeTtlMs: 5_000 });
    for (let i = 0; i < 2; i++)
      expect(await failure(located('sip:new.example:5060', locator))).toBe('not-found');
    expect(asked('A new.example')).toBe(1);
    dns.a('new.example', '192.0.2.1');
    clock.advance(5_001);
    expect(await located('sip:new.example:5060', locator)).toEqual(['udp 192.0.2.1:5060']);
  });

  it('is bounded: the oldest answer makes room', async () => {
    const locator = locatorWith({ maxCachedAnswers: 8 });
    for (const name of ['a', 'b', 'c']) dns.a(`${name}.example`, '192.0.2.1');
    for (const name of ['a', 'b', 'c', 'a']) await located(`sip:${name}.example:5060`, locator);
    expect(asked('A a.example')).toBe(2);
    expect(asked('A c.example')).toBe(1);
  });
});

describe('addresses that failed (RFC 3263 §4.3)', () => {
  it('come last until their time is over', async () => {
    dns.a('example.com', '192.0.2.1', 600);
    dns.a('example.com', '192.0.2.2', 600);
    const locator = locatorWith({ deadTargetMs: 10_000 });
    const both = ['udp 192.0.2.1:5060', 'udp 192.0.2.2:5060'];
    const first = { transport: 'udp', address: '192.0.2.1', port: 5060 } as const;
    expect((await located('sip:example.com:5060', locator)).toSorted()).toEqual(both);
    locator.markDead(first);
    expect(await located('sip:example.com:5060', locator)).toEqual(both.toReversed());
    clock.advance(10_001);
    expect((await located('sip:example.com:5060', locator)).toSorted()).toEqual(both);
    expect(locator.isDead(first)).toBe(false);
    locator.markDead(first, 60_000);
    clock.advance(59_000);
    expect(locator.isDead(first)).toBe(true);
    locator.markAlive(first);
    expect(locator.isDead(first)).toBe(false);
  });

  it('are remembered up to a bound', () => {
    const locator = locatorWith({ maxDeadTargets: 2 });
    const targets = [1, 2, 3].map(
      (last) => ({ transport: 'tcp', address: `192.0.2.${last}`, port: 5060 }) as const,
    );
    for (const target of targets) locator.markDead(target);
    expect(targets.map((target) => locator.isDead(target))).toEqual([false, true, true]);
  });
});

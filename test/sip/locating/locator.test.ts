import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextHopOf } from '../../../src/sip/locating/index.ts';
import { parseUri, type SipUri } from '../../../src/sip/message/index.ts';
import { failure, LocatingBench } from './locating-bench.ts';

let bench: LocatingBench;
beforeEach(async () => {
  bench = await LocatingBench.open();
});
afterEach(() => bench.close());

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
    expect(await bench.located(uri)).toEqual([target]);
    expect(bench.dns.questions).toEqual([]);
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
    bench.dns.naptr('example.com', {
      ...record,
      order: 10,
      preference: 20,
      service: 'SIP+D2U',
      replacement: '_sip._udp.u.example.com',
    });
    bench.dns.naptr('example.com', {
      ...record,
      order: 10,
      preference: 5,
      service: 'SIP+D2S',
      replacement: '_sip._sctp.example.com',
    });
    bench.dns.naptr('example.com', {
      ...record,
      order: 10,
      preference: 10,
      service: 'SIPS+D2T',
      replacement: '_sips._tcp.t.example.com',
    });
    bench.dns.naptr('example.com', {
      ...record,
      order: 5,
      preference: 1,
      service: 'E2U+sip',
      replacement: 'nowhere.example.com',
    });
    bench.dns.srv('_sips._tcp.t.example.com', {
      priority: 0,
      weight: 0,
      port: 5999,
      target: 'edge.example.net',
    });
    bench.dns.a('edge.example.net', '192.0.2.7');
    // RFC 5922 §4: the certificate is for the name that was asked for.
    expect(await bench.located('sip:example.com')).toEqual(['tls 192.0.2.7:5999 as example.com']);
    expect(bench.dns.questions.some((question) => question.includes('_udp'))).toBe(false);
  });

  it('goes on to the next NAPTR record when the SRV of the first leads nowhere', async () => {
    bench.dns.naptr('example.com', {
      order: 1,
      preference: 1,
      flags: 'S',
      service: 'sip+d2t',
      replacement: '_sip._tcp.example.com',
    });
    bench.dns.naptr('example.com', {
      order: 2,
      preference: 1,
      flags: 's',
      service: 'SIP+D2U',
      replacement: '_sip._udp.example.com',
    });
    bench.dns.srv('_sip._udp.example.com', { priority: 0, weight: 0, port: 5062, target: 'b.example.com' });
    bench.dns.a('b.example.com', '192.0.2.8');
    expect(await bench.located('sip:example.com')).toEqual(['udp 192.0.2.8:5062']);
  });

  it('asks the SRV of every transport when there is no NAPTR: of sips only the TLS one', async () => {
    bench.dns.srv('_sip._tcp.example.com', { priority: 0, weight: 0, port: 5062, target: 'b.example.com' });
    bench.dns.srv('_sips._tcp.example.com', { priority: 0, weight: 0, port: 5063, target: 'b.example.com' });
    bench.dns.a('b.example.com', '192.0.2.8');
    expect(await bench.located('sip:example.com')).toEqual(['tcp 192.0.2.8:5062']);
    expect(await bench.located('sips:example.com')).toEqual(['tls 192.0.2.8:5063 as example.com']);
  });

  it('falls back to addresses at the default port', async () => {
    bench.dns.a('example.com', '192.0.2.1');
    expect(await bench.located('sip:example.com')).toEqual(['udp 192.0.2.1:5060']);
    expect(await bench.located('sips:example.com')).toEqual(['tls 192.0.2.1:5061 as example.com']);
    expect(await bench.located('sip:example.com;transport=tcp')).toEqual(['tcp 192.0.2.1:5060']);
  });
});

describe('a gateway without a UDP listener', () => {
  it('goes over TCP where nothing else is said, and asks for no UDP service', async () => {
    bench.dns.srv('_sip._udp.example.com', { priority: 0, weight: 0, port: 5062, target: 'b.example.com' });
    bench.dns.a('example.com', '192.0.2.1');
    const locator = bench.locator({}, ['tcp', 'tls']);
    expect(await bench.located('sip:example.com', locator)).toEqual(['tcp 192.0.2.1:5060']);
    expect(await bench.located('sip:192.0.2.9', locator)).toEqual(['tcp 192.0.2.9:5060']);
    expect(bench.asked('SRV _sip._udp.example.com')).toBe(0);
  });
});

describe('port and address (RFC 3263 §4.2)', () => {
  it('asks for addresses only where the port is given', async () => {
    bench.dns.a('example.com', '192.0.2.1');
    bench.dns.aaaa('example.com', '2001:db8:0:0:0:0:0:1');
    expect(await bench.located('sip:example.com:5070')).toEqual([
      'udp 192.0.2.1:5070',
      'udp 2001:db8::1:5070',
    ]);
    expect(bench.dns.questions.toSorted()).toEqual(['A example.com', 'AAAA example.com']);
  });

  it('asks only the SRV of a transport that is given', async () => {
    bench.dns.srv('_sip._tcp.example.com', { priority: 0, weight: 0, port: 5062, target: 'b.example.com' });
    bench.dns.a('b.example.com', '192.0.2.8');
    expect(await bench.located('sip:example.com;transport=tcp')).toEqual(['tcp 192.0.2.8:5062']);
    expect(bench.dns.questions).not.toContain('NAPTR example.com');
  });

  it('orders by priority, then by weight, and each host with all its addresses (RFC 2782)', async () => {
    bench.dns.srv('_sip._udp.example.com', { priority: 20, weight: 9, port: 3, target: 'c.example.com' });
    bench.dns.srv('_sip._udp.example.com', { priority: 10, weight: 60, port: 2, target: 'b.example.com' });
    bench.dns.srv('_sip._udp.example.com', { priority: 10, weight: 0, port: 1, target: 'a.example.com' });
    bench.dns.a('a.example.com', '192.0.2.1');
    bench.dns.a('b.example.com', '192.0.2.2');
    bench.dns.a('b.example.com', '192.0.2.22');
    bench.dns.a('c.example.com', '192.0.2.3');
    expect(await bench.located('sip:example.com;transport=udp')).toEqual([
      'udp 192.0.2.1:1',
      'udp 192.0.2.2:2',
      'udp 192.0.2.22:2',
      'udp 192.0.2.3:3',
    ]);
  });

  it('does without a host that cannot be found, and bounds how many are tried', async () => {
    for (const name of ['a', 'b', 'c', 'd'])
      bench.dns.srv('_sip._udp.example.com', {
        priority: 1,
        weight: 0,
        port: 5060,
        target: `${name}.example.com`,
      });
    for (const last of [1, 2, 3]) bench.dns.a('c.example.com', `192.0.2.${last}`);
    bench.dns.a('d.example.com', '192.0.2.4');
    const few = bench.locator({ maxTargets: 3 });
    const targets = await bench.located('sip:example.com;transport=udp', few);
    expect(targets.toSorted()).toEqual(['udp 192.0.2.1:5060', 'udp 192.0.2.2:5060', 'udp 192.0.2.3:5060']);
  });

  it('takes the "." of a service for a no (RFC 2782)', async () => {
    bench.dns.srv('_sip._udp.example.com', { priority: 0, weight: 0, port: 0, target: '.' });
    bench.dns.a('example.com', '192.0.2.1');
    expect(await failure(bench.located('sip:example.com;transport=udp'))).toBe('not-offered');
  });

  it('reads answers that are too long for UDP over TCP', async () => {
    bench.dns.overlong.add('_sip._udp.example.com');
    bench.dns.srv('_sip._udp.example.com', { priority: 0, weight: 0, port: 5062, target: 'b.example.com' });
    bench.dns.a('b.example.com', '192.0.2.8');
    expect(await bench.located('sip:example.com;transport=udp')).toEqual(['udp 192.0.2.8:5062']);
    expect(bench.dns.questions).toContain('SRV _sip._udp.example.com over TCP');
  });
});

describe('names that lead nowhere', () => {
  it('says whether there is no such name, no answer or a failure', async () => {
    expect(await failure(bench.located('sip:nobody.example:5060'))).toBe('not-found');
    bench.dns.silent.add('mute.example');
    expect(await failure(bench.located('sip:mute.example:5060'))).toBe('dns-timeout');
    bench.dns.broken.add('broken.example');
    expect(await failure(bench.located('sip:broken.example:5060'))).toBe('dns-failed');
  });

  it('still finds the plain host when the server fails at NAPTR and SRV', async () => {
    bench.dns.broken.add('_sip._udp.example.com');
    bench.dns.silent.add('_sip._tcp.example.com');
    bench.dns.a('example.com', '192.0.2.1');
    expect(await bench.located('sip:example.com')).toEqual(['udp 192.0.2.1:5060']);
  });

  it('lets an impatient caller go while the answer is still fetched for others', async () => {
    bench.dns.silent.add('slow.example');
    const locator = bench.locator();
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
    bench.dns.silent.add('slow.example');
    const locator = bench.locator();
    const pending = failure(bench.located('sip:slow.example:5060', locator));
    locator.close();
    expect(await pending).toBe('closed');
    expect(await failure(bench.located('sip:192.0.2.1', locator))).toBe('closed');
  });
});

import { describe, expect, it } from 'vitest';
import { loadConfig, type NumberingConfig, type PeerConfig } from '../../../src/config/index.ts';
import { meantBy } from '../../../src/gateway/peers/called-number.ts';
import { afterProbe, nextProbeMs, unprobed } from '../../../src/gateway/peers/liveness.ts';
import { fromPeer, toE164, writtenFor } from '../../../src/gateway/peers/numbering.ts';
import { peersFor } from '../../../src/gateway/peers/peer-choice.ts';
import { type Passage, passageOf, type RegisterFacts } from '../../../src/gateway/peers/register-passage.ts';
import {
  idleUpstream,
  type UpstreamInput,
  type UpstreamState,
  upstreamStep,
} from '../../../src/gateway/peers/upstream-state.ts';
import { createRequest, createVia, parseUri, type SipRequest, unescapeUri } from '../../../src/sip/index.ts';

const german: NumberingConfig = {
  country: '49',
  nationalPrefix: '0',
  internationalPrefix: '00',
  format: 'e164',
};

describe('numbers in E.164', () => {
  it.each([
    ['+4930123456', '+4930123456'],
    ['004930123456', '+4930123456'],
    ['030123456', '+4930123456'],
    ['030-12.34(56)', '+4930123456'],
    ['0044 20 7946', undefined],
    ['00442079460000', '+442079460000'],
    ['1007', undefined],
    ['*97', undefined],
    ['alice', undefined],
    ['+', undefined],
    ['+0301', undefined],
    ['+1234567890123456', undefined],
    ['', undefined],
  ])('reads %j as %j', (dialled, number) => expect(toE164(dialled, german)).toBe(number));

  it('without a country only what names one', () => {
    const { country: _, ...anywhere } = german;
    expect(toE164('030123456', anywhere)).toBeUndefined();
    expect(toE164('004930123456', anywhere)).toBe('+4930123456');
  });

  it.each([
    ['e164', '030123456', '+4930123456'],
    ['digits', '030123456', '4930123456'],
    ['national', '+4930123456', '030123456'],
    ['national', '+442079460000', '00442079460000'],
    ['dialled', '030-123456', '030-123456'],
    ['e164', '100', '100'],
  ] as const)('writes %s: %s becomes %s', (format, dialled, written) =>
    expect(writtenFor(dialled, { ...german, format })).toBe(written),
  );

  it('of a carrier that writes digits alone are read as such', () => {
    expect(fromPeer('4930123456', { ...german, format: 'digits' })).toBe('+4930123456');
    expect(fromPeer('4930123456', german)).toBeUndefined();
  });
});

function peers(text: string): readonly PeerConfig[] {
  return loadConfig({ overrides: [`peers=${text}`] }).peers;
}

const place = 'match: [192.0.2.1], target: "udp://192.0.2.1"';

describe('the number that a trunk calls', () => {
  const [trunk] = peers(
    `[{name: t, role: trunk, ${place}, numbering: {country: "49"}, credential: {username: acc, password: x}, numbers: [{number: "+4930*", identity: "jis:bob"}, {number: "+49301", identity: "jis:alice"}]}]`,
  );
  if (trunk === undefined) throw new Error('no trunk');
  const request = (headers: SipRequest['headers'] = [], to = '<sip:x@y>'): SipRequest =>
    createRequest({
      method: 'INVITE',
      uri: 'sip:x@y',
      via: createVia({ transport: 'udp', host: 'a', port: 1, branch: 'b' }),
      from: '<sip:a@b>;tag=1',
      to,
      callId: 'c',
      cseq: 1,
      headers,
    });
  const called = (uri: string, of: SipRequest = request()): string | undefined => {
    const parsed = parseUri(uri);
    if (parsed.scheme !== 'sip') throw new Error('not sip');
    const sender = { kind: 'peer', peer: trunk, assurance: 0, carriesIntent: false } as const;
    return unescapeUri(meantBy(sender, parsed, of, [trunk]).uri.user ?? '');
  };

  it('is the longest entry that fits, else the number itself', () => {
    expect(called('sip:0301@h')).toBe('jis:alice');
    expect(called('sip:03099@h')).toBe('jis:bob');
    expect(called('sip:08999@h')).toBe('+498999');
    expect(called('sip:office@h')).toBe('office');
  });

  it('stands in P-Called-Party-ID or To when the trunk calls its account (RFC 7315 §4.2)', () => {
    const party = { name: 'p-called-party-id', rawName: 'P-Called-Party-ID', value: '<sip:+49301@h>' };
    expect(called('sip:acc@h', request([party], '<sip:03099@h>'))).toBe('jis:alice');
    expect(called('sip:acc@h', request([], '<sip:03099@h>'))).toBe('jis:bob');
    expect(called('sip:acc@h', request([], '<tel:+49-30-1>'))).toBe('jis:alice');
  });
});

describe('who takes a number that nobody here has', () => {
  const all = peers(
    `[{name: cheap, role: trunk, ${place}, prefixes: ["0044", "+44"], numbering: {country: "49"}}, {name: main, role: trunk, ${place}, from: [pbx]}, {name: spare, role: trunk, ${place}, prefixes: ["+44"]}, {name: pbx, role: pbx, ${place}, prefixes: ["1"]}]`,
  );
  const names = (user: string, from?: string, named?: string): string[] => {
    const peer = all.find(({ name }) => name === from);
    const sender =
      peer === undefined
        ? ({ kind: 'identity', identity: {} as never, assurance: 1, intent: undefined } as const)
        : ({ kind: 'peer', peer, assurance: 0, carriesIntent: false } as const);
    return peersFor(user, sender, named, all).map(({ name }) => name);
  };

  it.each([
    ['+4420', ['cheap', 'spare']],
    ['004420', ['cheap']],
    ['123', ['pbx']],
    ['030', ['main']],
  ])('%s: %j', (user, expected) => expect(names(user)).toEqual(expected));

  it('of a peer’s calls only who lists that peer, or whom the number map names', () => {
    expect(names('+4420', 'pbx')).toEqual(['main']);
    expect(names('+4420', 'main')).toEqual([]);
    expect(names('777', 'main', 'pbx')).toEqual(['pbx']);
  });
});

describe('a peer that is probed', () => {
  const probe = { intervalMs: 30_000, downIntervalMs: 5_000, timeoutMs: 2_000, failures: 2 };

  it('is down after so many misses, up after one answer, and asked more often in between', () => {
    let liveness = unprobed(0);
    const seen = [true, false, false, false, true].map((answered, at) => {
      liveness = afterProbe(liveness, answered, probe, at + 1);
      return { state: liveness.state, next: nextProbeMs(liveness, probe), since: liveness.sinceMs };
    });
    expect(seen).toEqual([
      { state: 'up', next: 30_000, since: 1 },
      { state: 'up', next: 5_000, since: 1 },
      { state: 'down', next: 5_000, since: 3 },
      { state: 'down', next: 5_000, since: 3 },
      { state: 'up', next: 30_000, since: 5 },
    ]);
  });
});

describe('a REGISTER on its way to a PBX that proves the phones', () => {
  const facts: RegisterFacts = {
    wants: 'bind',
    provedHere: false,
    refreshes: false,
    othersStay: false,
    confirmed: false,
    pbxDown: false,
  };
  it.each<[string, Partial<RegisterFacts>, Passage]>([
    ['a new phone is proved by the PBX', {}, 'confirm'],
    [
      'a refresh is not passed on while the PBX has granted time',
      { refreshes: true, confirmed: true },
      'absorb',
    ],
    ['a refresh is passed on when that is over', { refreshes: true }, 'confirm'],
    ['another phone is passed on, whatever was granted', { confirmed: true }, 'confirm'],
    ['a key is enough while the PBX has granted time', { provedHere: true, confirmed: true }, 'absorb'],
    ['a key alone does not tell the PBX', { provedHere: true }, 'confirm'],
    ['the last phone’s end is the end at the PBX', { wants: 'remove', refreshes: true }, 'end'],
    ['another’s end is only proved there', { wants: 'remove', othersStay: true, refreshes: true }, 'ask'],
    ['and with a key not even that', { wants: 'remove', othersStay: true, provedHere: true }, 'absorb'],
    ['a question is proved and binds nothing', { wants: 'query' }, 'ask'],
    ['without the PBX a new phone waits', { pbxDown: true }, 'unavailable'],
    ['without the PBX a refresh stands', { pbxDown: true, refreshes: true }, 'absorb'],
    [
      'without the PBX nobody is taken off unproved',
      { pbxDown: true, wants: 'remove', refreshes: true },
      'unavailable',
    ],
    ['without the PBX a key stands', { pbxDown: true, provedHere: true }, 'absorb'],
  ])('%s', (_what, changes, passage) => expect(passageOf({ ...facts, ...changes })).toBe(passage));
});

describe('a registration that the gateway keeps at a peer', () => {
  const retry = { retryMs: 1_000, maxRetryMs: 10_000 };
  const granted: UpstreamInput = { kind: 'granted', expiresSeconds: 100, jitter: 0 };
  const silence: UpstreamInput = { kind: 'unreachable', retryAfterMs: 0 };

  /** What is done at each step. */
  function story(...inputs: readonly UpstreamInput[]): string[] {
    let state: UpstreamState = idleUpstream;
    return inputs.map((input) => {
      const step = upstreamStep(state, input, retry);
      state = step.state;
      const shown = step.actions.map((action) =>
        action.kind === 'timer'
          ? `in ${action.delayMs}`
          : action.kind === 'tell'
            ? action.event
            : action.kind,
      );
      return shown.filter((text) => text !== 'no-timer').join(', ');
    });
  }

  it.each<[string, readonly UpstreamInput[], readonly string[]]>([
    [
      'is made, refreshed before its time, and ended',
      [{ kind: 'wanted' }, granted, { kind: 'due' }, granted, { kind: 'unwanted' }, { kind: 'ended' }],
      ['register', 'in 75000, registered', 'register', 'in 75000, refreshed', 'unregister', 'ended'],
    ],
    [
      'is tried again ever more slowly, told once, and told when it stands',
      [
        { kind: 'wanted' },
        silence,
        { kind: 'due' },
        silence,
        { kind: 'due' },
        silence,
        { kind: 'due' },
        granted,
      ],
      [
        'register',
        'in 1000, failed',
        'register',
        'in 2000',
        'register',
        'in 4000',
        'register',
        'in 75000, registered',
      ],
    ],
    [
      'waits as long as the peer asks for',
      [{ kind: 'wanted' }, { kind: 'unreachable', retryAfterMs: 7_000 }],
      ['register', 'in 7000, failed'],
    ],
    [
      'is tried seldom when it was refused',
      [{ kind: 'wanted' }, { kind: 'refused' }],
      ['register', 'in 10000, failed'],
    ],
    [
      'is made anew when the peer was away',
      [{ kind: 'wanted' }, granted, { kind: 'peer-restarted' }, granted],
      ['register', 'in 75000, registered', 'register', 'in 75000, registered'],
    ],
    [
      'is ended once it stands when nobody wants it any more by then',
      [{ kind: 'wanted' }, { kind: 'unwanted' }, granted, { kind: 'ended' }],
      ['register', '', 'unregister', 'ended'],
    ],
    [
      'is made again when somebody comes back while it ends',
      [{ kind: 'wanted' }, granted, { kind: 'unwanted' }, { kind: 'wanted' }, { kind: 'ended' }],
      ['register', 'in 75000, registered', 'unregister', '', 'register'],
    ],
    [
      'needs no end where the peer never knew of it',
      [{ kind: 'wanted' }, silence, { kind: 'unwanted' }],
      ['register', 'in 1000, failed', ''],
    ],
    ['is asked for once', [{ kind: 'wanted' }, { kind: 'wanted' }, { kind: 'due' }], ['register', '', '']],
  ])('%s', (_what, inputs, told) => expect(story(...inputs)).toEqual(told));
});

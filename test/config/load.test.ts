import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, type LoadOptions, loadConfig } from '../../src/config/index.ts';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tibet-sip-config-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function yamlFile(text: string): string {
  const file = join(directory, 'config.yaml');
  writeFileSync(file, text);
  return file;
}

/** `path: message` of everything that is wrong. */
function problemsOf(options: LoadOptions): readonly string[] {
  try {
    loadConfig(options);
  } catch (error) {
    if (error instanceof ConfigError)
      return error.problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
    throw error;
  }
  return [];
}

describe('loading a configuration', () => {
  it('is complete without any source', () => {
    const config = loadConfig();
    expect(config.domain).toBe('localhost');
    expect(config.dataDir).toBe(resolve('data'));
    expect(config.listen.map(({ transport, port }) => [transport, port])).toEqual([
      ['udp', 5060],
      ['tcp', 5060],
      ['ws', 5080],
    ]);
    expect(config.overlay).toEqual({
      store: { kind: 'embedded' },
      sentinels: [],
      enrolment: 'open',
      http: { listen: undefined },
      node: {},
      tls: {},
    });
    expect(config.tls).toBeUndefined();
  });

  it('takes realm and log name from the domain unless they are given', () => {
    const config = loadConfig({ overrides: ['domain=Voice.Example'] });
    expect(config.domain).toBe('voice.example');
    expect(config.auth.realm).toBe('voice.example');
    expect(config.audit.origin).toBe('voice.example/tibet-sip');
    expect(loadConfig({ overrides: ['auth.realm=Old PBX'] }).auth.realm).toBe('Old PBX');
  });

  it('lets variables win over the file and --set over both, key by key', () => {
    const file = yamlFile('domain: one.example\nlog: {level: error}\nregistrar: {minExpires: 10}\n');
    const env = { TIBET_SIP_DOMAIN: 'two.example', TIBET_SIP_LOG__LEVEL: 'warn', HOME: '/root' };
    const config = loadConfig({ file, env, overrides: ['domain=three.example'] });
    expect(config.domain).toBe('three.example');
    expect(config.log.level).toBe('warn');
    expect(config.registrar).toMatchObject({ minExpires: 10, defaultExpires: 3600 });
  });

  it.each([
    ['TIBET_SIP_ADMIN__LISTEN', 'off', { admin: { listen: undefined } }],
    ['TIBET_SIP_AUDIT__ENABLED', 'false', { audit: { enabled: false } }],
    ['TIBET_SIP_LIMITS__TRANSPORT__MAX_UDP_FLOWS', '7', { limits: { transport: { maxUdpFlows: 7 } } }],
    ['TIBET_SIP_CALLS__RING_TIMEOUT_MS', '9000', { calls: { ringTimeoutMs: 9000 } }],
  ])('maps the variable %s=%s', (name, value, expected) => {
    expect(loadConfig({ env: { [name]: value } })).toMatchObject(expected);
  });

  it('leaves variables alone that are no configuration keys', () => {
    expect(problemsOf({ env: { TIBET_SIP_CONFIG: 'x', TIBET_SIP_PASSPHRASE: 'y', TIBET: 'z' } })).toEqual([]);
    expect(problemsOf({ env: { TIBET_SIP_COLOUR: 'red' } })).toEqual([
      'colour: there is no such key; see docs/configuration.md',
    ]);
  });

  it('takes a list as YAML or as comma-separated text', () => {
    const expected = [
      { transport: 'udp', host: '::1', port: 5060 },
      { transport: 'ws', host: '0.0.0.0', port: 80 },
    ];
    for (const override of [
      'listen=udp://[::1]:5060, ws://0.0.0.0',
      'listen=["udp://[::1]", ws://0.0.0.0:80]',
    ])
      expect(loadConfig({ overrides: [override] }).listen).toEqual(expected);
  });

  it('changes one entry of a list by its position', () => {
    const file = yamlFile('peers: [{name: pbx, match: [10.0.0.5], target: "udp://10.0.0.5", role: pbx}]');
    const [peer] = loadConfig({ file, overrides: ['peers[0].target=tls://pbx.example'] }).peers;
    expect(peer).toMatchObject({
      name: 'pbx',
      match: ['10.0.0.5'],
      target: { transport: 'tls', secure: true, host: 'pbx.example', port: undefined },
      role: 'pbx',
    });
  });

  it('reports every problem at once, each with its path', () => {
    const file = yamlFile(
      'domain: "not a host"\ncolour: red\nlisten: [tls://127.0.0.1, udp://::1]\nlimits: 3\n',
    );
    expect(
      problemsOf({
        file,
        overrides: ['peers[0].role=boss', 'registrar.minExpires=99999', 'calls.barred=+1900,premium'],
      }),
    ).toEqual([
      'domain: "not a host" is not a host name',
      'listen[1]: write an IPv6 address in brackets, like udp://[::1]:5060',
      'peers[0].name: must be given',
      'peers[0].target: must be given',
      'peers[0].role: must be one of pbx, trunk, not "boss"',
      'calls.barred[1]: must be beginnings of numbers, like +1900 or 00881',
      'limits: must be a group of keys, not 3',
      'colour: there is no such key; see docs/configuration.md',
      'registrar.defaultExpires: must lie between minExpires (99999) and maxExpires (7200)',
    ]);
  });

  it('names the source of each problem', () => {
    const file = yamlFile('log: {level: loud}');
    const load = () => loadConfig({ file, env: { TIBET_SIP_DOMAIN: '""' }, overrides: ['media.mode=janus'] });
    expect(load).toThrow(
      `log.level: must be one of debug, info, warn, error, silent, not "loud" (from ${file})`,
    );
    expect(load).toThrow('domain: must not be empty (from TIBET_SIP_DOMAIN)');
    expect(load).toThrow('media.mode: must be one of off, relay, rtpengine, not "janus"');
  });

  it.each([
    ['missing.yaml', undefined, 'no such file'],
    ['config.yaml', 'listen: [', 'not valid YAML'],
    ['config.yaml', '- a\n- b\n', 'must be a YAML file of keys and values'],
  ])('says what is wrong with a file: %s %j', (name, text, message) => {
    if (text !== undefined) yamlFile(text);
    expect(problemsOf({ file: join(directory, name) })[0]).toContain(message);
  });

  it.each([
    ['listen=[]', 'listen: must name at least one address'],
    ['listen=tls://127.0.0.1', 'listen[0]: needs tls.cert and tls.key'],
    [
      'tls={cert: a, key: b, requestClientCertificate: true}',
      'tls.ca: must name the authorities that vouch for client certificates',
    ],
    [
      'tls={cert: a, key: b, certificates: [{cert: c, key: d, hosts: [a.*.b]}]}',
      'tls.certificates[0].hosts[0]: must be host names; "*." may stand for the first label',
    ],
    [
      'websocket.origins=phone.example',
      'websocket.origins[0]: must be web origins like https://phone.example.org',
    ],
    [
      'proxyProtocol.from=balancer',
      'proxyProtocol.from[0]: "balancer" is not an IP address or a network like 10.0.0.0/8',
    ],
    ['listen=udp://pbx.example', 'listen[0]: listen on an IP address (or localhost), not on a name'],
    ['listen=udp://127.0.0.1:65536', 'listen[0]: "65536" is not a port (0 to 65535)'],
    [
      'listen=tcp://127.0.0.1:80,ws://127.0.0.1',
      'listen[1]: ws://127.0.0.1:80 would share one socket with tcp://127.0.0.1:80',
    ],
    ['listen=tcp://127.0.0.1:8060', 'admin.listen: would share one socket with tcp://127.0.0.1:8060'],
    ['media.mode=rtpengine', 'media.rtpengine.instances: must name at least one rtpengine'],
    [
      'media.rtpengine.instances=203.0.113.5:22222',
      'media.rtpengine.instances[0]: must be private addresses: whoever reaches the control port of rtpengine can redirect every call',
    ],
    [
      'media.rtpengine.instances=media.example:22222',
      'media.rtpengine.instances[0]: must be IP addresses with a port, like 127.0.0.1:22222',
    ],
    [
      'media.rtpengine.flags=generate-mid, media-handover',
      'media.rtpengine.flags[1]: "media-handover" lets whoever sends a packet take a stream over; see docs/media.md',
    ],
    [
      'media.rtpengine.flags=endpoint-learning-immediate',
      'media.rtpengine.flags[0]: "endpoint-learning-immediate" is always heuristic; see docs/media.md',
    ],
    [
      'registrar.watchers=jis:reception,1007',
      'registrar.watchers[1]: must be names of identities, like jis:reception',
    ],
    [
      'registrar.watchers=jis:Reception',
      'registrar.watchers[0]: must be names of identities, like jis:reception',
    ],
    ['audit.origin=a b', 'audit.origin: must hold neither spaces nor "+" (C2SP signed-note key name)'],
    [
      'auth.algorithms.udp=[MD5, MD5]',
      'auth.algorithms.udp: must name each algorithm once, and at least one',
    ],
    ['novalue', 'write --set as path=value, not "novalue"'],
    [
      'limits.message.maxHeaderBytes=100000',
      'limits.message.maxHeaderBytes: must not exceed maxMessageBytes (65535)',
    ],
  ])('refuses %s', (override, problem) => {
    expect(problemsOf({ overrides: [override] })).toEqual([problem]);
  });

  it('never repeats a store address, which may hold a password', () => {
    const problems = problemsOf({ overrides: ['overlay.store=redis:user:hunter2@host'] });
    expect(problems).toHaveLength(1);
    expect(problems.join()).not.toContain('hunter2');
  });

  it('is frozen all the way down', () => {
    const config = loadConfig();
    expect(
      Object.isFrozen(config) && Object.isFrozen(config.listen) && Object.isFrozen(config.listen[0]),
    ).toBe(true);
    expect(Object.isFrozen(config.limits.transport)).toBe(true);
  });
});

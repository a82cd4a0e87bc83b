import { isIP } from 'node:net';
import { z } from 'zod';
import { isHostName, parseAuthority, transportNames } from './addresses.ts';
import { authority, callRule, type HooksConfig, hooks, type RealmConfig, realm } from './admission.ts';
import type { AuditConfig, AuthConfig, CertificateConfig, Config, TlsConfig } from './config.ts';
import {
  addressOrNetwork,
  expected,
  groupError,
  hostName,
  listenAddress,
  listOf,
  nameServer,
  nonEmptyText,
  oneOf,
  peerTarget,
  quantity,
  secretText,
  section,
  securePlace,
  secureWebAddress,
  store,
  webAddress,
} from './fields.ts';
import { limits } from './limits.ts';
import { media } from './media.ts';
import { peer } from './peers.ts';

const day = 86_400_000;

/** The configuration before `loadConfig` fills in what rests on another key. */
export type ParsedConfig = Omit<Config, 'advertise' | 'audit' | 'auth' | 'hooks' | 'realm' | 'tls'> & {
  readonly realm?: RealmConfig | undefined;
  readonly hooks?: HooksConfig | undefined;
  readonly advertise?: string | undefined;
  readonly tls?: ParsedTls | undefined;
  readonly audit: Omit<AuditConfig, 'origin'> & { readonly origin?: string | undefined };
  readonly auth: Omit<AuthConfig, 'realm'> & { readonly realm?: string | undefined };
};

interface ParsedTls extends Omit<TlsConfig, 'certificates' | 'ca'> {
  readonly certificates: readonly ParsedCertificate[];
  readonly ca?: string | undefined;
}

interface ParsedCertificate extends Omit<CertificateConfig, 'hosts'> {
  readonly hosts?: readonly string[] | undefined;
}

const certificateHost = nonEmptyText.refine(
  (text) => isHostName(text.startsWith('*.') ? text.slice(2) : text),
  'must be host names; "*." may stand for the first label',
);

const certificate = z.strictObject(
  { cert: nonEmptyText, key: nonEmptyText, hosts: listOf(certificateHost).optional() },
  { error: groupError },
);

const tls = z
  .strictObject(
    {
      cert: nonEmptyText,
      key: nonEmptyText,
      certificates: z.array(certificate, { error: expected('must be a list of certificates') }).prefault([]),
      ca: nonEmptyText.optional(),
      requestClientCertificate: z.boolean({ error: 'must be true or false' }).default(false),
      watchIntervalMs: quantity('ms', 10_000, 0, day),
    },
    { error: groupError },
  )
  .optional();

const webOrigin = nonEmptyText.refine(
  (text) => URL.canParse(text) && new URL(text).origin === text.toLowerCase(),
  'must be web origins like https://phone.example.org',
);

const sentinel = nonEmptyText.refine((text) => typeof parseAuthority(text, 26_379) !== 'string', {
  error: 'must be sentinels like 10.0.0.1:26379',
});

const overlay = section({
  store: store.prefault('embedded'),
  sentinels: listOf(sentinel).prefault([]),
  enrolment: oneOf(['open', 'approved']).default('open'),
  http: section({
    listen: webAddress.prefault('off'),
    secret: secretText.min(16, 'must have at least 16 characters').optional(),
  }),
  node: section({
    address: peerTarget
      .refine(
        ({ transport, host, port }) =>
          (transport === 'tcp' || transport === 'tls') && isIP(host) !== 0 && port !== undefined,
        'must be tcp:// or tls:// with an IP address and a port',
      )
      .optional(),
    secret: secretText.min(16, 'must have at least 16 characters').optional(),
  }),
  tls: section({
    ca: nonEmptyText.optional(),
    cert: nonEmptyText.optional(),
    key: nonEmptyText.optional(),
  }),
});

const audit = section({
  enabled: z.boolean({ error: 'must be true or false' }).default(true),
  origin: nonEmptyText
    .refine((text) => !/[\s+]/.test(text), 'must hold neither spaces nor "+" (C2SP signed-note key name)')
    .optional(),
  refreshIntervalMs: quantity('ms', 0, 0, day),
  witnesses: section({
    policy: nonEmptyText.optional(),
    intervalMs: quantity('ms', 10_000, 100, day),
    timeoutMs: quantity('ms', 10_000, 100, 60_000),
  }),
});

const digestAlgorithms = listOf(oneOf(['SHA-512-256', 'SHA-256', 'MD5'])).refine(
  (list) => list.length > 0 && new Set(list).size === list.length,
  'must name each algorithm once, and at least one',
);

const agent = z.strictObject({ prefix: nonEmptyText, algorithms: digestAlgorithms }, { error: groupError });

const auth = section({
  realm: nonEmptyText.refine((text) => !/["\\]/.test(text), 'must not hold quotes or backslashes').optional(),
  flowSpeaks: listOf(oneOf(transportNames)).prefault('tcp, tls, ws, wss'),
  // A second challenge turns phones away that read one only; the auth folder says which were tried.
  algorithms: section({
    udp: digestAlgorithms.prefault('MD5'),
    tcp: digestAlgorithms.prefault('MD5'),
    tls: digestAlgorithms.prefault('MD5'),
    ws: digestAlgorithms.prefault('MD5'),
    wss: digestAlgorithms.prefault('MD5'),
  }),
  agents: z
    .array(agent, { error: expected('must be a list of agents') })
    .prefault([{ prefix: 'Linphone', algorithms: ['SHA-256', 'MD5'] }]),
  qop: listOf(oneOf(['auth', 'auth-int']))
    .refine(
      (list) => list.length > 0 && new Set(list).size === list.length,
      'must name auth, auth-int or both',
    )
    .prefault('auth'),
  nonceLifetimeMs: quantity('ms', 60_000, 1_000, 3_600_000),
});

const registrar = section({
  minExpires: quantity('s', 60, 1, 2_592_000),
  defaultExpires: quantity('s', 3_600, 1, 2_592_000),
  maxExpires: quantity('s', 7_200, 1, 2_592_000),
  maxBindingsPerIdentity: quantity('count', 10, 1, 1_000),
  gruu: z.boolean({ error: 'must be true or false' }).default(true),
  serviceRoute: listOf(
    nonEmptyText.refine(
      (text) => text === 'self' || (/^sips?:[^\s<>",]+$/.test(text) && /;lr(;|$)/.test(text)),
      'must be "self" or a SIP URI with ;lr',
    ),
  ).prefault(''),
  watchers: listOf(
    nonEmptyText.refine((text) => /^(?:jis(?::[a-z0-9._-]+)+|(?!jis:)[^:\s]+:.+)$/.test(text), {
      error: 'must be names of identities, like jis:reception',
    }),
  ).prefault(''),
});

const calls = section({
  // RFC 3261 §16.6 step 11: longer than three minutes unless the operator says otherwise.
  ringTimeoutMs: quantity('ms', 185_000, 1_000, day),
  // Within the second in which a caller is to hear of a closed socket.
  rejoinMs: quantity('ms', 300, 0, 60_000),
  followRedirects: z.boolean({ error: 'must be true or false' }).default(false),
  maxDurationMs: quantity('ms', day / 2, 1_000, 30 * day),
  maxPerIdentity: quantity('count', 20_000, 1, 10_000_000),
  whenRevoked: oneOf(['cut', 'keep']).default('cut'),
  barred: listOf(
    nonEmptyText.refine((text) => /^[+*#\d(][-.() *#\d]*$/.test(text), {
      error: 'must be beginnings of numbers, like +1900 or 00881',
    }),
  ).prefault([]),
  rules: z.array(callRule, { error: expected('must be a list of rules') }).prefault([]),
  unlisted: oneOf(['allow', 'deny']).default('allow'),
});

const federationDomain = z.strictObject(
  {
    name: hostName,
    records: securePlace,
    calls: peerTarget.refine(({ transport }) => transport !== 'udp', 'must be tls://, tcp:// or sips://'),
  },
  { error: groupError },
);

const federation = section({
  enabled: z.boolean({ error: 'must be true or false' }).default(false),
  listen: secureWebAddress.prefault('off'),
  directories: listOf(hostName).prefault([]),
  domains: z.array(federationDomain, { error: expected('must be a list of domains') }).prefault([]),
  publishesRealms: z.boolean({ error: 'must be true or false' }).default(false),
  allow: listOf(addressOrNetwork).prefault([]),
  ca: nonEmptyText.optional(),
  sip: oneOf(['tls', 'any']).default('tls'),
  // Longer than phones may wait before they register again.
  maxAgeSeconds: quantity('s', 9_000, 60, 2_592_000),
  freshMs: quantity('ms', 30_000, 0, 3_600_000),
});

const dns = section({
  servers: listOf(nameServer).prefault([]),
  timeoutMs: quantity('ms', 2_000, 50, 60_000),
  tries: quantity('count', 2, 1, 10),
});

const log = section({
  level: oneOf(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

/** What may stand in a configuration file, with every default that does not rest on another key. */
export const schema: z.ZodType<ParsedConfig> = z.strictObject({
  domain: hostName.prefault('localhost'),
  dataDir: nonEmptyText.default('./data'),
  listen: listOf(listenAddress)
    .refine((list) => list.length > 0, 'must name at least one address')
    .prefault('udp://127.0.0.1:5060, tcp://127.0.0.1:5060, ws://127.0.0.1:5080'),
  advertise: hostName.optional(),
  admin: section({ listen: webAddress.prefault('http://127.0.0.1:8060') }),
  tls,
  websocket: section({ origins: listOf(webOrigin).prefault([]) }),
  proxyProtocol: section({ from: listOf(addressOrNetwork).prefault([]) }),
  overlay,
  audit,
  media,
  peers: z.array(peer, { error: expected('must be a list of peers') }).prefault([]),
  auth,
  registrar,
  calls,
  authorities: z.array(authority, { error: expected('must be a list of authorities') }).prefault([]),
  realm,
  hooks,
  federation,
  dns,
  limits,
  log,
});

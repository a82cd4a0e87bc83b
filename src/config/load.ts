import { resolve } from 'node:path';
import { formatListenAddress, type ListenAddress } from './addresses.ts';
import type { RealmConfig } from './admission.ts';
import { checkAuthorities, checkCallRules } from './admission-check.ts';
import type { Config, OverlayConfig, StoreTlsConfig, TlsConfig } from './config.ts';
import { checkPeers } from './peer-check.ts';
import { ConfigError, type ConfigProblem, formatPath } from './problems.ts';
import { type ParsedConfig, schema } from './schema.ts';
import { fileLayer, type Layer, mergeLayers, overrideLayers, sourceOf, variableLayers } from './sources.ts';

export interface LoadOptions {
  /** YAML file; without one the defaults stand. */
  readonly file?: string | undefined;
  /** `path=value` texts; they win over everything else. */
  readonly overrides?: readonly string[];
  /** `TIBET_SIP_*` variables win over the file. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Reads, merges and checks all sources; throws `ConfigError` with every problem found. Relative paths start at the working directory. */
export function loadConfig(options: LoadOptions = {}): Config {
  const problems: ConfigProblem[] = [];
  const layers: Layer[] = [];
  if (options.file !== undefined) layers.push(fileLayer(options.file, problems));
  layers.push(...variableLayers(options.env ?? {}, problems));
  layers.push(...overrideLayers(options.overrides ?? [], problems));

  const report = (path: readonly PropertyKey[], message: string): void => {
    problems.push({ path: formatPath(path), message, source: sourceOf(path, layers) });
  };
  const tree = mergeLayers(layers);
  const result = schema.safeParse(tree);
  const broken = new Set<PropertyKey>();
  for (const issue of result.error?.issues ?? []) {
    const paths =
      issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    const message = issue.code === 'unrecognized_keys' ? unknownKey : issue.message;
    for (const path of paths) {
      report(path, message);
      broken.add(path[0] ?? '');
    }
  }
  // What fits together is checked on the sound part, so that one run names every problem.
  const sound = schema.safeParse(
    Object.fromEntries(Object.entries(tree).filter(([key]) => !broken.has(key))),
  );
  if (sound.success) crossCheck(sound.data, (section) => !broken.has(section), report);
  if (!result.success || problems.length > 0) throw new ConfigError(problems);
  return deepFreeze(complete(result.data));
}

const unknownKey = 'there is no such key; see docs/configuration.md';

function complete(parsed: ParsedConfig): Config {
  return {
    ...parsed,
    dataDir: resolve(parsed.dataDir),
    advertise: parsed.advertise,
    tls: parsed.tls && completeTls(parsed.tls),
    overlay: completeOverlay(parsed.overlay),
    federation: {
      ...parsed.federation,
      ...(parsed.federation.ca !== undefined && { ca: resolve(parsed.federation.ca) }),
    },
    audit: { ...parsed.audit, origin: parsed.audit.origin ?? `${parsed.domain}/tibet-sip` },
    auth: { ...parsed.auth, realm: parsed.auth.realm ?? parsed.domain },
    authorities: parsed.authorities.map((entry) => ({ ...entry, identity: resolve(entry.identity) })),
    realm: parsed.realm && completeRealm(parsed.realm),
    hooks: parsed.hooks,
  };
}

function completeOverlay(overlay: OverlayConfig): OverlayConfig {
  const { store, sentinels, tls } = overlay;
  return {
    ...overlay,
    store: store.kind === 'redis' ? { ...store, sentinels } : store,
    tls: completeStoreTls(tls),
  };
}

function completeStoreTls({ ca, cert, key }: StoreTlsConfig): StoreTlsConfig {
  return {
    ...(ca !== undefined && { ca: resolve(ca) }),
    ...(cert !== undefined && { cert: resolve(cert) }),
    ...(key !== undefined && { key: resolve(key) }),
  };
}

function completeRealm(realm: RealmConfig): RealmConfig {
  const { identity, members, passphraseFile } = realm;
  return {
    ...realm,
    identity: resolve(identity),
    members: resolve(members),
    ...(passphraseFile !== undefined && { passphraseFile: resolve(passphraseFile) }),
  };
}

function completeTls(tls: NonNullable<ParsedConfig['tls']>): TlsConfig {
  return {
    ...tls,
    cert: resolve(tls.cert),
    key: resolve(tls.key),
    certificates: tls.certificates.map(({ cert, key, hosts }) => ({
      cert: resolve(cert),
      key: resolve(key),
      hosts,
    })),
    ca: tls.ca === undefined ? undefined : resolve(tls.ca),
  };
}

type Report = (path: readonly PropertyKey[], message: string) => void;

/** What no single key can tell; only keys of sections that are themselves `intact` are compared. */
function crossCheck(config: ParsedConfig, intact: (section: keyof Config) => boolean, report: Report): void {
  if (intact('listen')) checkSockets(config, intact, report);
  if (intact('tls') && config.tls?.requestClientCertificate === true && config.tls.ca === undefined)
    report(['tls', 'ca'], 'must name the authorities that vouch for client certificates');
  if (intact('overlay')) {
    const { http, store, sentinels } = config.overlay;
    if (sentinels.length > 0 && store.kind === 'embedded')
      report(['overlay', 'store'], 'must be like redis://mymaster: the name by which the sentinels know it');
    const { listen, secret } = http;
    if (listen !== undefined && secret === undefined && !isLoopback(listen.host))
      report(['overlay', 'http', 'secret'], 'must be given where others than this machine can ask');
  }
  if (intact('peers')) checkPeers(config.peers, report);
  if (intact('federation') && intact('tls') && config.federation.listen !== undefined && !config.tls)
    report(['federation', 'listen'], 'needs tls.cert and tls.key');
  if (intact('authorities')) checkAuthorities(config, report);
  if (intact('calls')) checkCallRules(config, intact('authorities'), report);
  if (intact('registrar')) {
    const { minExpires, defaultExpires, maxExpires } = config.registrar;
    if (minExpires > defaultExpires || defaultExpires > maxExpires)
      report(
        ['registrar', 'defaultExpires'],
        `must lie between minExpires (${minExpires}) and maxExpires (${maxExpires})`,
      );
  }
  if (intact('limits')) {
    const { maxMessageBytes, maxHeaderBytes, maxHeaderLineBytes } = config.limits.message;
    if (maxHeaderBytes > maxMessageBytes)
      report(['limits', 'message', 'maxHeaderBytes'], `must not exceed maxMessageBytes (${maxMessageBytes})`);
    if (maxHeaderLineBytes > maxHeaderBytes)
      report(
        ['limits', 'message', 'maxHeaderLineBytes'],
        `must not exceed maxHeaderBytes (${maxHeaderBytes})`,
      );
  }
}

function checkSockets(
  config: ParsedConfig,
  intact: (section: keyof Config) => boolean,
  report: Report,
): void {
  const bound = new Map<string, string>();
  config.listen.forEach((address, index) => {
    const secure = address.transport === 'tls' || address.transport === 'wss';
    if (secure && !config.tls && intact('tls')) report(['listen', index], 'needs tls.cert and tls.key');
    if (address.port === 0) return;
    const other = bound.get(socketKey(address));
    if (other !== undefined)
      report(['listen', index], `${formatListenAddress(address)} would share one socket with ${other}`);
    bound.set(socketKey(address), formatListenAddress(address));
  });
  const admin = config.admin.listen;
  const other = admin && intact('admin') ? bound.get(socketKey({ transport: 'tcp', ...admin })) : undefined;
  if (other !== undefined) report(['admin', 'listen'], `would share one socket with ${other}`);
}

/** Everything but UDP sits on a TCP port. */
function socketKey(address: ListenAddress): string {
  return `${address.transport === 'udp' ? 'udp' : 'tcp'} ${address.host} ${address.port}`;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}

import { readFile } from 'node:fs/promises';
import {
  defaultRecordClientLimits,
  ForeignIdentities,
  openGuard,
  RecordClient,
  RecordServer,
} from '../../federation/index.ts';
import type { IdentityOverlay } from '../../overlay/index.ts';
import { DnsNames, type Locator, type TransportLayer } from '../../sip/index.ts';
import type { NodeKeys } from '../node-keys.ts';
import type { Surroundings } from '../parts.ts';
import type { ServedDomain } from '../served-domain.ts';
import type { UsedTokens } from '../used-tokens.ts';
import { ForeignCallees } from './foreign-callees.ts';
import { ForeignCallers } from './foreign-callers.ts';
import { Publishing } from './publishing.ts';

const maxRemembered = 10_000;

/** Calls between this gateway's identities and those of other operators. */
export interface Federation {
  readonly callers: ForeignCallers;
  readonly callees: ForeignCallees;
  readonly publishing: Publishing;
  /** Serves what is published; resolves with the port, undefined where nothing is. */
  start(): Promise<number | undefined>;
}

export interface FederationParts {
  readonly keys: NodeKeys;
  readonly overlay: IdentityOverlay;
  readonly domain: ServedDomain;
  readonly transport: TransportLayer;
  readonly locator: Locator;
  readonly used: UsedTokens;
}

/** Undefined when this gateway keeps to itself. */
export async function composeFederation(
  { config, clock, random, logger, closing }: Surroundings,
  { keys, overlay, domain, transport, locator, used }: FederationParts,
): Promise<Federation | undefined> {
  const { federation, tls } = config;
  if (!federation.enabled) return undefined;
  const mayAsk = openGuard(federation.allow);
  const names = new DnsNames(config.dns);
  closing.opened(() => names.close());
  const client = new RecordClient({
    names,
    mayAsk,
    known: new Map(federation.domains.map(({ name, records }) => [name, records])),
    ca: federation.ca === undefined ? undefined : await readFile(federation.ca, 'utf8'),
    limits: { ...defaultRecordClientLimits, ...config.limits.federation },
  });
  const identities = new ForeignIdentities({
    client,
    memories: overlay.foreign,
    directories: federation.directories,
    clock,
    maxAgeSeconds: federation.maxAgeSeconds,
    freshMs: federation.freshMs,
    maxRemembered,
  });
  const publishing = new Publishing({
    overlay,
    domain: config.domain,
    gateway: keys.gateway.token.bytes,
    realms: federation.publishesRealms,
    clock,
    random,
  });
  const secure = federation.sip === 'tls';
  const known = new Map(federation.domains.map(({ name, calls }) => [name, calls]));
  const callees = new ForeignCallees({ identities, transport, locator, mayAsk, known, secure, logger });
  const callers = new ForeignCallers({
    identities,
    overlay,
    domain,
    used,
    clock,
    logger,
    onFound: (found) => callees.met(found),
  });
  const start = async (): Promise<number | undefined> => {
    const { listen } = federation;
    if (listen === undefined || tls === undefined) return undefined;
    const server = new RecordServer({
      ...listen,
      tls: { cert: await readFile(tls.cert, 'utf8'), key: await readFile(tls.key, 'utf8') },
      published: (who) => publishing.find(who),
      domainsOf: async (fingerprint) => {
        if (await publishing.isHere(fingerprint)) return [config.domain];
        const seen = await identities.seenAt(fingerprint);
        return seen === undefined ? [] : [seen];
      },
    });
    closing.opened(() => server.close());
    return await server.start();
  };
  return { callers, callees, publishing, start };
}

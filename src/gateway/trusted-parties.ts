import { readFile } from 'node:fs/promises';
import {
  Authorities,
  bothHooks,
  CallRules,
  httpHooks,
  MemberBook,
  VouchingClient,
  VouchingService,
  vouchingPath,
} from '../admission/index.ts';
import { formatWebAddress } from '../config/index.ts';
import type { IdentityOverlay } from '../overlay/index.ts';
import { loadIdentity, parsePublicToken, TokenError } from '../tokens/index.ts';
import { Authorisation } from './authorisation.ts';
import type { Surroundings } from './parts.ts';

/** Reads the tokens of those whose word counts; throws TokenError `file` that says whose cannot be read. */
export async function loadAuthorities({ config }: Surroundings): Promise<Authorities> {
  return new Authorities(
    await Promise.all(
      config.authorities.map(async ({ identity, url, ...rest }) => {
        try {
          return { ...rest, url, token: parsePublicToken(await readFile(identity, 'utf8')) };
        } catch (cause) {
          const why = cause instanceof Error ? cause.message : String(cause);
          throw new TokenError('file', `authority ${rest.name}: ${identity}: ${why}`, { cause });
        }
      }),
    ),
  );
}

export function createAuthorisation(
  { config, clock, random, logger, hooks = {} }: Surroundings,
  overlay: IdentityOverlay,
  authorities: Authorities,
): Authorisation {
  const client = new VouchingClient({ clock, random, limits: config.limits.vouching });
  const { rules, unlisted } = config.calls;
  return new Authorisation({
    overlay,
    authorities,
    client,
    rules: new CallRules({ rules, unlisted, authorities, client }),
    hooks: config.hooks === undefined ? hooks : bothHooks(hooks, httpHooks(config.hooks)),
    clock,
    logger,
  });
}

/** Answers for the realm that the configuration names; resolves with where. */
export async function startRealm(
  { config, clock, closing }: Surroundings,
  authorities: Authorities,
): Promise<string | undefined> {
  const { realm } = config;
  if (realm === undefined) return undefined;
  const { identity, passphraseFile, members, listen, answerLifetimeSeconds } = realm;
  const passphrase =
    passphraseFile === undefined ? undefined : (await readFile(passphraseFile, 'utf8')).split(/\r?\n/, 1)[0];
  const { key, token } = await loadIdentity(identity, passphrase);
  const service = new VouchingService({
    ...listen,
    key,
    token,
    members: new MemberBook(members),
    answerLifetimeSeconds,
    clock,
    authorities,
  });
  const port = await service.start();
  closing.opened(() => service.close());
  return `${formatWebAddress({ host: listen.host, port })}${vouchingPath}`;
}

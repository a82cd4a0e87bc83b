import { existsSync } from 'node:fs';
import { type Config, dataPaths } from '../config/index.ts';
import { IdentityOverlay, type IdentityRecord } from '../overlay/index.ts';
import { CliError } from './failure.ts';
import { readPublicToken } from './identity-source.ts';

/** Opens the overlay that the configuration names, beside a running gateway or without one, and closes it again. */
export async function withOverlay<Result>(
  config: Config,
  use: (overlay: IdentityOverlay) => Result | Promise<Result>,
): Promise<Result> {
  const { openStore } = await import('../overlay/index.ts');
  const paths = dataPaths(config.dataDir);
  const overlay = new IdentityOverlay({
    store: await openStore(config.overlay.store, paths.overlay),
    node: existsSync(paths.gatewayKey) ? readPublicToken(paths.gatewayKey).fingerprint : 'command-line',
    enrolment: config.overlay.enrolment,
    limits: config.limits.overlay,
  });
  try {
    return await use(overlay);
  } finally {
    await overlay.close();
  }
}

/** The identity that a user means by name, bare name, fingerprint or alias. */
export async function mustFind(overlay: IdentityOverlay, who: string): Promise<IdentityRecord> {
  const identity = await overlay.lookup(who);
  if (identity) return identity;
  throw new CliError('notFound', `nobody is known as ${who}`, 'list everybody with: tibet-sip overlay list');
}

/** All pages of a listing. */
export async function allPages<Item>(
  page: (cursor: string | undefined) => Promise<{ readonly items: readonly Item[]; readonly cursor: string | undefined }>,
): Promise<readonly Item[]> {
  const items: Item[] = [];
  let cursor: string | undefined;
  do {
    const next = await page(cursor);
    items.push(...next.items);
    cursor = next.cursor;
  } while (cursor !== undefined);
  return items;
}

import { existsSync } from 'node:fs';
import { systemRandom } from '../base/index.ts';
import { type Config, dataPaths } from '../config/index.ts';
import {
  IdentityOverlay,
  type IdentityRecord,
  type ListOptions,
  openStore,
  type Page,
  spoolEvent,
} from '../overlay/index.ts';
import { CliError } from './failure.ts';
import { readPublicToken } from './identity-source.ts';

/** Opens the overlay that the configuration names, beside a running gateway or without one, and closes it again. */
export async function withOverlay<Result>(
  config: Config,
  use: (overlay: IdentityOverlay) => Result | Promise<Result>,
): Promise<Result> {
  const paths = dataPaths(config.dataDir);
  const overlay = new IdentityOverlay({
    store: await openStore({ ...config.overlay.store, tls: config.overlay.tls }, paths.overlay, {
      maxMappedBytes: config.limits.overlay.maxMappedBytes,
    }),
    node: existsSync(paths.gatewayKey) ? readPublicToken(paths.gatewayKey).fingerprint : 'command-line',
    enrolment: config.overlay.enrolment,
    limits: config.limits.overlay,
    onEvent: (event) => spoolEvent(paths.spool, event, systemRandom),
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

const pageLimit = 500;

/** Everything of a listing, page by page. */
export async function allPages<Item>(
  page: (options: ListOptions) => Promise<Page<Item>>,
): Promise<readonly Item[]> {
  const found: Item[] = [];
  let cursor: string | undefined;
  do {
    const next = await page({ limit: pageLimit, ...(cursor !== undefined && { cursor }) });
    found.push(...next.items);
    cursor = next.cursor;
  } while (cursor !== undefined);
  return found;
}

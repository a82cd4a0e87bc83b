import type { Logger } from '../base/index.ts';
import { EmbeddedStore } from './embedded-store.ts';
import type { RedisTls } from './redis-connection.ts';
import { RedisStore } from './redis-store.ts';
import type { OverlayStore } from './store.ts';

/** The store that a configuration names. */
export type StoreLocation = { readonly tls?: RedisTls } & (
  | { readonly kind: 'embedded' }
  | { readonly kind: 'redis'; readonly url: string; readonly sentinels?: readonly string[] }
);

export interface OpenStoreOptions {
  readonly logger?: Logger;
  /** Of an embedded store. */
  readonly maxMappedBytes?: number;
}

/** LMDB in `directory`, or Redis, a cluster when the server is part of one. Throws OverlayError `store-open`. */
export async function openStore(
  location: StoreLocation,
  directory: string,
  { logger, maxMappedBytes }: OpenStoreOptions = {},
): Promise<OverlayStore> {
  if (location.kind === 'embedded')
    return EmbeddedStore.open({ directory, ...(maxMappedBytes !== undefined && { maxMappedBytes }) });
  const { url, sentinels = [], tls } = location;
  return RedisStore.open({ url, sentinels, ...(tls && { tls }), ...(logger && { logger }) });
}

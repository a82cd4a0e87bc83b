import { join } from 'node:path';
import { EmbeddedStore, type OverlayStore } from '../../src/overlay/index.ts';
import { fingerprintFromBytes, sha256 } from '../../src/tokens/index.ts';

const batch = 10_000;
const hashOf = (text: string): Uint8Array => sha256(new TextEncoder().encode(text));

/**
 * Writes `count` identities, `jis:PREFIX-0` …, into the store of a gateway that does not run, each reachable where
 * `jis:callee` is registered: its documents with other names and keys. Signing a million tokens would take longer than
 * all else, so they all keep the bytes of one.
 */
export async function storeIdentities(options: {
  readonly dataDir: string;
  readonly prefix: string;
  readonly count: number;
  readonly onProgress: (written: number) => void;
}): Promise<void> {
  const { dataDir, prefix, count, onProgress } = options;
  const store = EmbeddedStore.open({ directory: join(dataDir, 'overlay') });
  const { identity, bindings } = await calleeOf(store);
  const write = async (at: number): Promise<void> => {
    const name = `jis:${prefix}-${at}`;
    const [fingerprint, publicKey] = [fingerprintFromBytes(hashOf(name)), hashOf(`key of ${name}`)];
    await Promise.all([
      store.update('identity', fingerprint, () => ({ ...identity, fingerprint, publicKey, name })),
      store.update('name', name, () => ({ fingerprint, publicKey })),
      store.update('bindings', fingerprint, () => bindings),
    ]);
  };
  for (let start = 0; start < count; start += batch) {
    const size = Math.min(batch, count - start);
    await Promise.all(Array.from({ length: size }, (_, at) => write(start + at)));
    if ((start / batch) % 10 === 9) onProgress(start + size);
  }
  await store.close();
}

async function calleeOf(store: OverlayStore) {
  const name = await store.get('name', 'jis:callee');
  const identity = name && (await store.get('identity', name.fingerprint));
  const bindings = name && (await store.get('bindings', name.fingerprint));
  if (identity === undefined || bindings === undefined) throw new Error('the callee is not registered');
  return { identity, bindings };
}

import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { systemClock } from '../../src/base/index.ts';
import { dataPaths, loadConfig } from '../../src/config/index.ts';
import { loadNodeKeys } from '../../src/gateway/node-keys.ts';
import { EmbeddedStore, type OverlayStore } from '../../src/overlay/index.ts';
import { AuditLog, ProvenanceError, type RecordDraft } from '../../src/provenance/index.ts';
import { fingerprintFromBytes, sha256 } from '../../src/tokens/index.ts';

const batch = 10_000;
const recordsAtOnce = 1_024;
const behindMs = 2;
const hashOf = (text: string): Uint8Array => sha256(new TextEncoder().encode(text));

/**
 * Writes `count` identities, `jis:PREFIX-0` …, into the store of a gateway that does not run, each reachable where
 * `jis:callee` is registered: its documents with other names and keys, and the record that a registration leaves. Signing a
 * million tokens would take longer than all else, so they all keep the bytes of one.
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
  const nameOf = (at: number): string => `jis:${prefix}-${at}`;
  const write = async (at: number): Promise<void> => {
    const name = nameOf(at);
    const [fingerprint, publicKey] = [fingerprintOf(name), hashOf(`key of ${name}`)];
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
  await recordRegistrations(dataDir, nameOf, count);
}

/** In the gateway's log: whoever is registered has a key and a newest record there. */
async function recordRegistrations(
  dataDir: string,
  nameOf: (at: number) => string,
  count: number,
): Promise<void> {
  const { domain, audit } = loadConfig();
  const { checkpoint, node } = await loadNodeKeys(dataDir, domain, systemClock);
  const { log: directory, index: indexDirectory } = dataPaths(dataDir);
  const log = await AuditLog.open({
    directory,
    indexDirectory,
    checkpointKey: checkpoint.key,
    origin: audit.origin,
    nodeKey: node.key,
    nodeFingerprint: node.token.fingerprint,
    nodeToken: node.token.bytes,
  });
  for (let at = 0; at < count; ) {
    try {
      const { durability } = log.append(registrationOf(nameOf(at)));
      at++;
      if (at % recordsAtOnce === 0) await new Promise((resolve) => durability.whenSettled(resolve));
    } catch (error) {
      if (!(error instanceof ProvenanceError) || error.code !== 'unhealthy') throw error;
      // The log refuses while its tree or index is too far behind.
      await setTimeout(behindMs);
    }
  }
  await log.close();
}

function registrationOf(name: string): RecordDraft {
  const fingerprint = fingerprintOf(name);
  const contact = `sip:${name.slice(4)}@127.0.0.1`;
  return {
    erin: { event: 'registration.added', identity: name, fingerprint, contact, assurance: 1 },
    eraan: { parents: [], tokens: [] },
    eromheen: { transport: 'udp', source: '127.0.0.1:5060' },
    erachter: `be reached as ${name}`,
    parties: [{ fingerprint, role: 'subject', owns: { erin: ['identity', 'fingerprint', 'contact'] } }],
  };
}

function fingerprintOf(name: string): string {
  return fingerprintFromBytes(hashOf(name));
}

async function calleeOf(store: OverlayStore) {
  const name = await store.get('name', 'jis:callee');
  const identity = name && (await store.get('identity', name.fingerprint));
  const bindings = name && (await store.get('bindings', name.fingerprint));
  if (identity === undefined || bindings === undefined) throw new Error('the callee is not registered');
  return { identity, bindings };
}

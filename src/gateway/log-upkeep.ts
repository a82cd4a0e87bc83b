import { copyFile, rename } from 'node:fs/promises';
import { type Logger, systemClock, systemRandom } from '../base/index.ts';
import { type Config, dataPaths } from '../config/index.ts';
import {
  DiskStorage,
  formatVkey,
  handOver,
  keySuccessionEvent,
  readSuccessions,
  type SuccessionReason,
} from '../provenance/index.ts';
import { ClosingStack } from './closing-stack.ts';
import { loadNextCheckpointKey, loadNodeKeys, nextCheckpointPath } from './node-keys.ts';
import { openAudit, startEventSpool } from './stores.ts';

/**
 * Makes a new checkpoint key and hands the log over to it; the gateway must not run. Throws ProvenanceError `locked`
 * beside one. The old key is kept under another name: with `compromised` its signature counts no more.
 */
export async function rotateCheckpointKey(
  config: Config,
  reason: SuccessionReason,
  logger: Logger,
): Promise<{ readonly from: string; readonly to: string }> {
  const { log: directory, checkpointKey } = dataPaths(config.dataDir);
  const { origin } = config.audit;
  const next = await loadNextCheckpointKey(config.dataDir, config.domain, systemClock);
  const around = {
    config,
    logger,
    clock: systemClock,
    random: systemRandom,
    closing: new ClosingStack(logger),
  };
  const { checkpoint: old } = await loadNodeKeys(config.dataDir, config.domain, systemClock);
  const [from, to] = [old, next].map(({ key }) => formatVkey({ name: origin, publicKey: key.publicKey }));
  if (from === undefined || to === undefined) throw new Error('no keys');
  const storage = new DiskStorage(directory);
  const begun = (await readSuccessions(storage)).some((succession) => succession.to === to);
  if (!begun)
    try {
      const audit = await openAudit(around, await loadNodeKeys(config.dataDir, config.domain, systemClock));
      const { durability } = audit.append({
        erin: { event: keySuccessionEvent, from, to, reason },
        eraan: { parents: [] },
        eromheen: {},
        erachter: 'hand the log over to its next key',
        parties: [],
      });
      await new Promise((resolve) => durability.whenSettled(resolve));
    } finally {
      await around.closing.close();
    }
  const lock = await storage.lock();
  try {
    await handOver({ storage, origin, oldKey: old.key, newKey: next.key, reason });
  } finally {
    await lock.release();
  }
  await copyFile(checkpointKey, `${checkpointKey}.until-${systemClock.now()}`);
  await rename(nextCheckpointPath(config.dataDir), checkpointKey);
  return { from, to };
}

/**
 * Opens the log without a gateway, takes in what the command line has left for it, and closes it. Throws
 * ProvenanceError `locked` beside a running gateway, which does the same by itself.
 */
export async function serveSpool(config: Config, logger: Logger): Promise<void> {
  const around = {
    config,
    logger,
    clock: systemClock,
    random: systemRandom,
    closing: new ClosingStack(logger),
  };
  try {
    const keys = await loadNodeKeys(config.dataDir, config.domain, around.clock);
    await startEventSpool(around, await openAudit(around, keys));
  } finally {
    await around.closing.close();
  }
}

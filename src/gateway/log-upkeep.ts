import { type Logger, systemClock, systemRandom } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { ClosingStack } from './closing-stack.ts';
import { loadNodeKeys } from './node-keys.ts';
import { openAudit, startEventSpool } from './stores.ts';

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

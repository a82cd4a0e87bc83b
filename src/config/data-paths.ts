import { join } from 'node:path';

/** Where each part keeps its files below `dataDir`; the gateway and the offline commands agree through this. */
export interface DataPaths {
  /** Who the gateway is: an identity file. */
  readonly gatewayKey: string;
  /** The running node's token, and how it and the gateway's identity have signed each other; public. */
  readonly nodeProof: string;
  /** Signs checkpoints: an identity file. */
  readonly checkpointKey: string;
  /** Its seed is the secret under the MAC of flow tokens. */
  readonly flowKey: string;
  /** The embedded overlay store. */
  readonly overlay: string;
  /** Everything that `audit verify` covers, and nothing else. */
  readonly log: string;
  /** The query index; may be deleted, it is built again from the log. */
  readonly index: string;
  /** Events of the command line that wait for the gateway to record them. */
  readonly spool: string;
  /** Ids of intent tokens that were used lately. */
  readonly usedTokens: string;
}

export function dataPaths(dataDir: string): DataPaths {
  return {
    gatewayKey: join(dataDir, 'keys', 'gateway.json'),
    nodeProof: join(dataDir, 'keys', 'node.json'),
    checkpointKey: join(dataDir, 'keys', 'checkpoint.json'),
    flowKey: join(dataDir, 'keys', 'flows.json'),
    overlay: join(dataDir, 'overlay'),
    log: join(dataDir, 'log'),
    index: join(dataDir, 'index'),
    spool: join(dataDir, 'spool'),
    usedTokens: join(dataDir, 'used-tokens'),
  };
}

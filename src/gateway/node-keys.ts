import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, encodeBase64Url, epochSeconds } from '../base/index.ts';
import { dataPaths } from '../config/index.ts';
import {
  type CrossSigning,
  createIdentityToken,
  createNodeToken,
  crossSign,
  encodeCrossSigning,
  generateSigningKey,
  type IdentityToken,
  loadIdentity,
  type SigningKey,
  saveIdentity,
  TokenError,
} from '../tokens/index.ts';

const day = 86_400;
/** Long enough that checkpoints and receipts of a decade name one key; rotation comes before. */
const keyLifetimeSeconds = 3_650 * day;
/** A node token lives for one run of the process; no run is longer than this. */
const nodeLifetimeSeconds = 366 * day;
/** Others may look at a new token with a clock that is a little behind. */
const clockToleranceSeconds = 60;

export interface LoadedKey {
  readonly token: IdentityToken;
  readonly key: SigningKey;
  readonly seed: Uint8Array;
}

export interface NodeKeys {
  /** Who the gateway is: stays over restarts, signs intents on behalf, names the node in bindings. */
  readonly gateway: LoadedKey;
  /** Made at this start and never saved: signs the receipts of this run's records. */
  readonly node: { readonly token: IdentityToken; readonly key: SigningKey };
  /** Node and gateway have signed each other. */
  readonly crossSigning: CrossSigning;
  /** Signs checkpoints, and nothing else. */
  readonly checkpoint: LoadedKey;
  /** Not a signing key: its seed is the secret under the MAC of flow tokens. */
  readonly flows: LoadedKey;
}

/** Loads the gateway's keys from `<dataDir>/keys`; makes those that are missing (mode 0600). */
export async function loadNodeKeys(dataDir: string, domain: string, clock: Clock): Promise<NodeKeys> {
  const directory = join(dataDir, 'keys');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const load = (file: string, subject: string): Promise<LoadedKey> =>
    loadOrMake(join(directory, file), subject, clock);
  const nodeKey = generateSigningKey();
  const now = epochSeconds(clock);
  const node = createNodeToken({
    key: nodeKey,
    subject: `node:${domain}`,
    notBefore: now - clockToleranceSeconds,
    expires: now + nodeLifetimeSeconds,
    now,
  });
  const gateway = await load('gateway.json', `sip:gateway@${domain}`);
  const crossSigning = crossSign({ key: nodeKey, token: node }, gateway);
  await publishNode(dataPaths(dataDir).nodeProof, node, crossSigning);
  return {
    node: { token: node, key: nodeKey },
    crossSigning,
    gateway,
    checkpoint: await load('checkpoint.json', `log:checkpoint@${domain}`),
    flows: await load('flows.json', `sip:flows@${domain}`),
  };
}

/** Where a key lies that is to follow on the checkpoint key. */
export function nextCheckpointPath(dataDir: string): string {
  return join(dataDir, 'keys', 'checkpoint-next.json');
}

/** The key that follows on the checkpoint key; made when there is none. */
export function loadNextCheckpointKey(dataDir: string, domain: string, clock: Clock): Promise<LoadedKey> {
  return loadOrMake(nextCheckpointPath(dataDir), `log:checkpoint@${domain}`, clock);
}

/** For whoever wants to check a node that a token names: of the latest start only. */
async function publishNode(path: string, node: IdentityToken, crossSigning: CrossSigning): Promise<void> {
  const proof = {
    node: encodeBase64Url(node.bytes),
    crossSigning: encodeBase64Url(encodeCrossSigning(crossSigning)),
  };
  await writeFile(`${path}.tmp`, `${JSON.stringify(proof)}\n`, { mode: 0o644 });
  await rename(`${path}.tmp`, path);
}

async function loadOrMake(path: string, subject: string, clock: Clock): Promise<LoadedKey> {
  const present = await loadIdentity(path).catch((error: unknown) => {
    if (error instanceof TokenError && isMissingFile(error)) return undefined;
    throw error;
  });
  if (present !== undefined) return { token: present.token, key: present.key, seed: present.key.seed };
  const key = generateSigningKey();
  const now = epochSeconds(clock);
  const token = createIdentityToken({
    key,
    subject,
    notBefore: now - clockToleranceSeconds,
    expires: now + keyLifetimeSeconds,
    now,
  });
  await saveIdentity(path, { token, seed: key.seed });
  return { token, key, seed: key.seed };
}

function isMissingFile(error: TokenError): boolean {
  return error.cause instanceof Error && 'code' in error.cause && error.cause.code === 'ENOENT';
}

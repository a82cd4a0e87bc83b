import { mkdir } from 'node:fs/promises';
import {
  type Clock,
  type Logger,
  type Random,
  silentLogger,
  systemClock,
  systemRandom,
} from '../base/index.ts';
import type { SigningKey } from '../tokens/index.ts';
import { peekCheckpoint } from './checkpoint.ts';
import { DiskStorage } from './disk-storage.ts';
import type { Durability, SettledDurability } from './durability.ts';
import { ProvenanceError } from './error.ts';
import { type AuditLimits, defaultAuditLimits } from './limits.ts';
import { LogReader } from './log-reader.ts';
import { LogWriter, type NodeIdentity } from './log-writer.ts';
import { RecordIndex } from './record-index.ts';
import { recoverLog } from './recovery.ts';
import { formatVkey, isNoteName, parseVkey } from './signed-note.ts';
import type { Storage, StorageLock } from './storage.ts';
import { checkpointPath } from './tile-layout.ts';
import { WitnessedCheckpoint } from './witnessed-checkpoint.ts';

export interface AuditLogOptions extends NodeIdentity {
  readonly directory: string;
  /** Outside `directory`: derived from it, not covered by its checkpoint, rebuilt when it is gone. */
  readonly indexDirectory: string;
  /** Lives as long as the log; auditors know its public half as the verifier key. */
  readonly checkpointKey: SigningKey;
  /** The log's name in checkpoints, such as `example.com/calls`. */
  readonly origin: string;
  /** What runs on the node; recorded when it starts. */
  readonly software?: { readonly name: string; readonly version: string; readonly hash?: string };
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  readonly limits?: Partial<AuditLimits>;
  /** Default: the file system. */
  readonly storage?: Storage;
}

/** What an open log consists of. */
export interface LogParts {
  readonly lock: StorageLock;
  readonly index: RecordIndex;
  readonly writer: LogWriter;
  readonly reader: LogReader;
  readonly witnessed: WitnessedCheckpoint;
  readonly vkey: string;
  readonly logger: Logger;
  readonly random: Random;
}

/** The event of the record that opens a node's run. */
export const nodeStartEvent = 'node.start';

/** Opens or creates the log's files and recovers what a crash left. Throws ProvenanceError, and then holds nothing. */
export async function openParts(options: AuditLogOptions): Promise<LogParts> {
  const { origin, checkpointKey, logger = silentLogger } = options;
  if (!isNoteName(origin))
    throw new ProvenanceError('origin', 'the log needs a name without spaces and plus signs');
  const storage = options.storage ?? new DiskStorage(options.directory);
  const limits = { ...defaultAuditLimits, ...options.limits };
  const lock = await storage.lock();
  let index: RecordIndex | undefined;
  let writer: LogWriter | undefined;
  try {
    await checkName(storage, options);
    await mkdir(options.indexDirectory, { recursive: true, mode: 0o700 });
    index = await RecordIndex.open({ directory: options.indexDirectory, origin, readOnly: false });
    const { clock = systemClock, random = systemRandom } = options;
    const recovered = await recoverLog({ storage, index, origin, checkpointKey, limits, random, logger });
    const softwareHash = options.software?.hash;
    const now = { storage, index, clock, random, logger, limits, recovered, softwareHash };
    writer = new LogWriter({ ...options, ...now });
    await writer.integrate();
    const reader = new LogReader(storage);
    const vkey = formatVkey({ name: origin, publicKey: checkpointKey.publicKey });
    const witnessed = await WitnessedCheckpoint.load(storage, parseVkey(vkey));
    await announce(writer, options);
    return { lock, index, writer, reader, witnessed, vkey, logger, random };
  } catch (error) {
    // What failed is told already.
    await closeParts({ writer, index, lock }).catch(() => undefined);
    throw error;
  }
}

/** The writer goes first: what it has under way uses the index. */
export async function closeParts(parts: {
  readonly writer: LogWriter | undefined;
  readonly index: RecordIndex | undefined;
  readonly lock: StorageLock;
}): Promise<void> {
  try {
    await parts.writer?.close();
  } finally {
    await parts.index?.close();
    await parts.lock.release();
  }
}

/** Before index and checkpoint are found not to fit: whoever renames a log is told what happened, and what to do. */
async function checkName(storage: Storage, { origin, directory }: AuditLogOptions): Promise<void> {
  const checkpoint = await storage.read(checkpointPath);
  const name = checkpoint && peekCheckpoint(Buffer.from(checkpoint).toString()).origin;
  if (name !== undefined && name !== origin)
    throw new ProvenanceError(
      'origin',
      `the audit log in ${directory} is called ${name}, not ${origin}, and a log keeps its name; ` +
        `go on with it by --set audit.origin=${name}, or begin another one with --data-dir`,
    );
}

/** Publishes the node's key: without it nobody could check the receipts of this run. */
async function announce(writer: LogWriter, { software }: AuditLogOptions): Promise<void> {
  const { durability } = writer.append(
    {
      erin: { event: nodeStartEvent },
      eraan: { parents: [] },
      eromheen: { software },
      erachter: 'open the audit log',
      parties: [],
    },
    true,
  );
  if ((await settled(durability)) === 'failed')
    throw new ProvenanceError('storage', 'the audit log cannot write its first record: is the disk full?');
}

/** For those outside of the call path. */
export function settled(durability: Durability): Promise<SettledDurability> {
  return new Promise((resolve) => durability.whenSettled(resolve));
}

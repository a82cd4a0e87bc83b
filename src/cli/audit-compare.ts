import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PublishedLog } from '../provenance/index.ts';
import { formatComparison, lastCheckpoint, parseProofFile } from '../verify/index.ts';
import { CliError } from './failure.ts';
import { filesAt, filesIn, isUrl, readTextFile } from './published-files.ts';

/**
 * The file that shows how two states of a log stand to each other. A log (directory or URL) has the hashes that join
 * any older state to it; two proof files are compared where they tell the same hashes.
 */
export async function compareStates(
  older: string,
  newer: string,
  mustBeSigned: (checkpoint: string) => void,
): Promise<string> {
  const log = logAt(newer);
  if (log) {
    const kept = await checkpointIn(older);
    // What is said of sizes is said of what the operator signed.
    for (const checkpoint of [kept, await log.checkpoint()]) mustBeSigned(checkpoint);
    return formatComparison(await log.compareWith(kept));
  }
  const [a, b] = [readTextFile(older), readTextFile(newer)];
  if (isProof(a) && isProof(b))
    return formatComparison({ format: 'tibet-sip/log-comparison', version: 1, proofs: [a, b] });
  const [first, second] = [await checkpointIn(older), await checkpointIn(newer)];
  if (sizeOf(first) === sizeOf(second))
    return formatComparison({
      format: 'tibet-sip/log-comparison',
      version: 1,
      older: first,
      newer: second,
      path: [],
    });
  throw new CliError(
    'usage',
    'two checkpoints of different size can only be compared with the log beside them',
    'name the directory or the URL of the log as the second one',
  );
}

/** By which keys a log was handed over; nothing for a file. */
export async function handOversAt(target: string): Promise<readonly string[]> {
  return (await logAt(target)?.handOvers()) ?? [];
}

function logAt(target: string): PublishedLog | undefined {
  if (isUrl(target)) return new PublishedLog(filesAt(target));
  if (!existsSync(target)) throw new CliError('notFound', `no such file or directory: ${target}`);
  if (!statSync(target).isDirectory()) return undefined;
  const directory = [target, join(target, 'public'), join(target, 'log', 'public')].find((one) =>
    existsSync(join(one, 'checkpoint')),
  );
  if (directory === undefined) throw new CliError('notFound', `there is no log in ${target}`);
  return new PublishedLog(filesIn(directory));
}

/** Of a log, a proof file, or a checkpoint that somebody kept (with the verifier key above it or without). */
async function checkpointIn(target: string): Promise<string> {
  const log = logAt(target);
  if (log) return log.checkpoint();
  const text = readTextFile(target);
  return isProof(text) ? parseProofFile(text).checkpoint : lastCheckpoint(text);
}

function isProof(text: string): boolean {
  return text.startsWith('c2sp.org/tlog-proof@');
}

function sizeOf(checkpoint: string): string | undefined {
  return checkpoint.split('\n', 2)[1];
}

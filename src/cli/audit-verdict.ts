import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, dataPaths } from '../config/index.ts';
import {
  type LogVerdict,
  type Problem,
  PublishedLog,
  parseReceipts,
  verifyLog,
} from '../provenance/index.ts';
import {
  compare,
  cosignatures,
  formatVkey,
  type LogKey,
  openCheckpoint,
  parseTrust,
  type Trust,
  type Verdict,
  VerifyError,
  verdictMeanings,
  verifyFile,
} from '../verify/index.ts';
import { noLog } from './audit-access.ts';
import type { TrustOptions } from './audit-check.ts';
import { compareStates, handOversAt } from './audit-compare.ts';
import { CliError } from './failure.ts';
import type { Output } from './output.ts';
import { filesAt, filesIn, isUrl, readTextFile } from './published-files.ts';
import { showReport, verdictReasons } from './verdict-report.ts';

/** The operator's own log: intact is enough, unless a policy asks for witnesses. */
export async function verifyOwnLog(output: Output, config: Config, options: TrustOptions): Promise<void> {
  const { log } = dataPaths(config.dataDir);
  if (!existsSync(log)) throw noLog(config);
  await verifyWhole(output, log, options, options.policy !== undefined);
}

/** A file, a directory or a URL, with the eyes of somebody who does not trust the operator. */
export async function verifyTarget(output: Output, target: string, options: TrustOptions): Promise<void> {
  if (isUrl(target)) return verifyPublished(output, new PublishedLog(filesAt(target)), options);
  if (!existsSync(target)) throw new CliError('notFound', `no such file or directory: ${target}`);
  if (statSync(target).isDirectory()) return verifyDirectory(output, target, options);
  const report = verifyFile(
    readTextFile(target),
    trustIfGiven(options),
    options.receipts === undefined ? undefined : readTextFile(options.receipts),
  );
  showReport(output, report);
  const reason = verdictReasons[report.verdict];
  if (reason !== 'ok')
    throw new CliError(
      reason,
      `${report.verdict}: ${report.summary}`,
      report.verdict === 'UNCHECKED' ? howToTrust : undefined,
    );
}

const howToTrust =
  'give the line that you got from the operator apart from this with --vkey (the operator sees it with: tibet-sip audit checkpoint)';

/** No log at all where nobody's key was given: what can be checked without one is worth to be told. */
function trustIfGiven(options: TrustOptions): Trust {
  const { vkey = '', policy } = options;
  return vkey === '' && policy === undefined ? { logs: [], policy: undefined } : trustOf(options);
}

export async function compareTargets(
  output: Output,
  states: { readonly older: string; readonly newer: string | undefined; readonly config: () => Config },
  options: TrustOptions & { readonly out?: string },
): Promise<void> {
  trustOf(options);
  const newer = states.newer ?? join(dataPaths(states.config().dataDir).log, 'public');
  const trust = trustOf(options, await handOversAt(newer));
  const evidence = await compareStates(states.older, newer, (note) => {
    const report = verifyFile(note, trust);
    if (report.verdict !== 'INVALID') return;
    showReport(output, report);
    throw new CliError('refused', `${report.verdict}: ${report.summary}`);
  });
  const report = verifyFile(evidence, trust);
  if (options.out !== undefined) writeFileSync(options.out, evidence, { flag: 'wx' });
  showReport(output, report);
  if (report.verdict === 'INVALID') throw new CliError('refused', `${report.verdict}: ${report.summary}`);
}

/** Throws CliError `usage` when key or policy cannot be read. */
function trustOf({ vkey, policy, handOver = [] }: TrustOptions, published: readonly string[] = []): Trust {
  try {
    return parseTrust(
      vkey === undefined ? '' : existsSync(vkey) ? keysIn(readTextFile(vkey)) : vkey,
      policy === undefined ? undefined : readTextFile(policy),
      [...handOver.map(readTextFile), ...published],
    );
  } catch (error) {
    if (error instanceof VerifyError)
      throw new CliError('usage', error.message, error.code === 'vkey' ? howToTrust : undefined, {
        cause: error,
      });
    throw error;
  }
}

/** The keys alone of a file that `audit checkpoint` was written to: checkpoints stand below them. */
function keysIn(text: string): string {
  const lines = text.split(/\r?\n/);
  const isOrigin = (at: number): boolean => /^\d+$/.test(lines[at + 1] ?? '');
  return lines
    .filter((line, at) => !line.startsWith('\u2014 ') && ![at, at - 1, at - 2].some(isOrigin))
    .join('\n');
}

/** Which of the keys that are trusted is this log's: the one of its name. */
async function keyFor(log: PublishedLog, { logs }: Trust): Promise<LogKey | undefined> {
  // Whether there is a checkpoint at all, the check of the log says.
  const [origin] = (await log.checkpoint().catch(() => '')).split('\n', 1);
  return logs.find(({ name }) => name === origin) ?? logs[0];
}

async function verifyDirectory(output: Output, directory: string, options: TrustOptions): Promise<void> {
  const whole = [directory, join(directory, 'log')].find((one) =>
    existsSync(join(one, 'public', 'checkpoint')),
  );
  if (whole !== undefined) return verifyWhole(output, whole, options, true);
  if (!existsSync(join(directory, 'checkpoint')))
    throw new CliError('notFound', `there is no log in ${directory}`, 'it has a file named checkpoint');
  await verifyPublished(output, new PublishedLog(filesIn(directory)), options);
}

async function verifyWhole(
  output: Output,
  directory: string,
  options: TrustOptions,
  forOthers: boolean,
): Promise<void> {
  const log = new PublishedLog(filesIn(join(directory, 'public')));
  const { vkey = '' } = options;
  const key = vkey === '' ? undefined : await keyFor(log, trustOf(options));
  const verdict = await verifyLog({
    directory,
    ...(key && { vkey: formatVkey(key) }),
    ...(options.receipts !== undefined && { receipts: parseReceipts(readTextFile(options.receipts)) }),
  });
  await conclude(output, verdict, log, options, forOthers);
}

async function verifyPublished(output: Output, log: PublishedLog, options: TrustOptions): Promise<void> {
  // An address without a log, or a mistyped one, is no log that was tampered with.
  await log.checkpoint();
  const key = await keyFor(log, trustOf(options));
  const verdict = await log.verify({ vkey: key ? formatVkey(key) : '' });
  await conclude(output, verdict, log, options, true);
}

async function conclude(
  output: Output,
  verdict: LogVerdict,
  log: PublishedLog,
  options: TrustOptions,
  forOthers: boolean,
): Promise<void> {
  const word = await wordFor(verdict, log, options);
  showVerdict(output, verdict, word);
  if (word === 'INVALID')
    throw new CliError(
      'refused',
      `INVALID: the log is NOT intact: ${countOf(verdict)}`,
      'keep the files as they are and compare them with a copy',
    );
  const reason = verdictReasons[word];
  if (forOthers && reason !== 'ok') throw new CliError(reason, `${word}: ${verdictMeanings[word]}`);
}

async function wordFor(verdict: LogVerdict, log: PublishedLog, options: TrustOptions): Promise<Verdict> {
  if (!verdict.valid) return 'INVALID';
  if (verdict.redacted > 0) return 'REDACTED';
  if (options.policy === undefined) return 'UNWITNESSED';
  return (await isWitnessed(log, verdict, options)) ? 'WITNESSED' : 'UNWITNESSED';
}

/** Witnesses saw an earlier state as a rule: the log has to go on from it. */
async function isWitnessed(log: PublishedLog, { vkey }: LogVerdict, options: TrustOptions): Promise<boolean> {
  const { policy, logs } = trustOf({ ...options, ...(vkey !== undefined && { vkey }) });
  const [key] = logs;
  const note = (await log.witnessed()) ?? (await log.checkpoint());
  if (!policy || !key) return false;
  const checkpoint = openCheckpoint(note, key);
  if (checkpoint.size > 0) {
    const { forked, says } = compare(await log.compareWith(note), [key]);
    if (forked) throw new CliError('refused', `INVALID: ${says}`);
  }
  return policy.satisfiedBy(policy.cosigners(cosignatures(checkpoint, policy.witnesses)));
}

function showVerdict(output: Output, verdict: LogVerdict, word: Verdict): void {
  const { origin, size, journaled, identities, openCalls, vkey, notes, problems, furtherProblems } = verdict;
  const { byCaller, byGateway } = verdict.signedIntents;
  output.document({ verdict: word, ...verdict }, [
    ['verdict', word],
    ['log', `${origin ?? 'unknown'}: ${verdict.valid ? 'intact' : 'NOT INTACT'}`],
    ['records', `${size} under the signed checkpoint${journaled > 0 ? `, ${journaled} behind it` : ''}`],
    [
      'identities',
      identities > 0 ? `${identities}${verdict.valid ? ', each with an unbroken sequence' : ''}` : undefined,
    ],
    ['open calls', identities > 0 ? String(openCalls) : undefined],
    ['signed intents', byCaller + byGateway > 0 ? signedBy(verdict) : undefined],
    ['erased', verdict.redacted > 0 ? `${verdict.redacted} records, in part or whole` : undefined],
    ['receipts', verdict.receiptsKept > 0 ? `${verdict.receiptsKept} name records of this log` : undefined],
    ['checked with', vkey],
    ...notes.map((note) => ['note', note] as const),
    ...problems.map((problem) => ['PROBLEM', describeProblem(problem)] as const),
    ['PROBLEM', furtherProblems > 0 ? `and ${furtherProblems} more` : undefined],
  ]);
}

function countOf({ problems, furtherProblems }: LogVerdict): string {
  const count = problems.length + furtherProblems;
  return count === 1 ? 'one problem' : `${count} problems`;
}

function signedBy({ signedIntents: { byCaller, byGateway } }: LogVerdict): string {
  return `${byCaller} calls by the caller's own key, ${byGateway} by a gateway on the caller's behalf`;
}

function describeProblem({ kind, message, file, record }: Problem): string {
  const where = [file, record === undefined ? undefined : `record ${record}`].filter(
    (part) => part !== undefined,
  );
  return `${kind}${where.length > 0 ? ` (${where.join(', ')})` : ''}: ${message}`;
}

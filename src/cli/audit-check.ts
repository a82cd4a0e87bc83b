import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type Config, dataPaths } from '../config/index.ts';
import { type LogVerdict, type Problem, PublishedLog, verifyLog } from '../provenance/index.ts';
import {
  cosignatures,
  openCheckpoint,
  parseTrust,
  type Trust,
  type Verdict,
  verifyFile,
} from '../verify/index.ts';
import { noLog } from './audit-access.ts';
import { compareStates } from './audit-compare.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import type { Output } from './output.ts';
import { filesAt, filesIn, isUrl } from './published-files.ts';
import type { Terminal } from './terminal.ts';
import { showReport, verdictReasons } from './verdict-report.ts';

interface TrustOptions extends CommonOptions {
  readonly vkey?: string;
  readonly policy?: string;
}

/** Checking what others would have to believe: files, published logs, the whole log; all without the operator. */
export function registerAuditChecking(group: Command, terminal: Terminal): void {
  addTrust(
    addCommand(group, {
      usage: 'verify [target]',
      summary:
        'check a proof file, a directory or the URL of a published log; without a target, this log, every byte',
      example: 'audit verify call.tlog-proof --vkey log.vkey --policy witnesses.policy',
    }),
  ).action(async (target: string | undefined, options: TrustOptions) => {
    const { output, config } = openContext(terminal, options);
    if (target === undefined) return verifyOwn(output, config(), options);
    if (isUrl(target)) return verifyPublished(output, new PublishedLog(filesAt(target)), options);
    if (!existsSync(target)) throw new CliError('notFound', `no such file or directory: ${target}`);
    if (statSync(target).isDirectory()) return verifyDirectory(output, target, options);
    const report = verifyFile(readFileSync(target, 'utf8'), trustOf(options));
    showReport(output, report);
    const reason = verdictReasons[report.verdict];
    if (reason !== 'ok') throw new CliError(reason, `${report.verdict}: ${report.summary}`);
  });

  addTrust(
    addCommand(group, {
      usage: 'compare <older> [newer]',
      summary: 'is one state of a log the beginning of the other? Writes the evidence either way',
      example: 'audit compare kept-elsewhere.txt https://example.com/log --vkey log.vkey --out fork.json',
    }),
  )
    .option('--out <file>', 'file for what shows it: consistency, or that the log was forked')
    .action(
      async (older: string, newer: string | undefined, options: TrustOptions & { readonly out?: string }) => {
        const { output, config } = openContext(terminal, options);
        const trust = trustOf(options);
        const evidence = await compareStates(older, newer ?? publicDirectoryOf(config()));
        const report = verifyFile(evidence, trust);
        if (options.out !== undefined) writeFileSync(options.out, evidence, { flag: 'wx' });
        showReport(output, report);
        if (report.verdict === 'INVALID')
          throw new CliError('refused', `${report.verdict}: ${report.summary}`);
      },
    );
}

function addTrust(command: Command): Command {
  return command
    .option('--vkey <key>', "the log's verifier key that you trust, or a file that holds it")
    .option('--policy <file>', 'C2SP tlog-policy: the witnesses that you trust, and how many are enough');
}

function trustOf({ vkey, policy }: TrustOptions): Trust {
  return parseTrust(
    vkey === undefined ? '' : existsSync(vkey) ? readFileSync(vkey, 'utf8') : vkey,
    policy === undefined ? undefined : readFileSync(policy, 'utf8'),
  );
}

/** The key of a whole log: the first line of a file, or the text itself. */
function keyText(keyOrFile: string): string {
  return existsSync(keyOrFile)
    ? (readFileSync(keyOrFile, 'utf8').trim().split(/\r?\n/, 1)[0] ?? '')
    : keyOrFile;
}

/** The operator's own log: intact is enough, unless a policy asks for witnesses. */
async function verifyOwn(output: Output, config: Config, options: TrustOptions): Promise<void> {
  const { log } = dataPaths(config.dataDir);
  if (!existsSync(log)) throw noLog(config);
  await verifyWhole(output, log, options, options.policy !== undefined);
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
  wantsWitnesses: boolean,
): Promise<void> {
  const verdict = await verifyLog({
    directory,
    ...(options.vkey !== undefined && { vkey: keyText(options.vkey) }),
  });
  const log = new PublishedLog(filesIn(join(directory, 'public')));
  await conclude(output, verdict, log, options, wantsWitnesses);
}

async function verifyPublished(output: Output, log: PublishedLog, options: TrustOptions): Promise<void> {
  const [key] = trustOf(options).logs;
  const verdict = await log.verify({ vkey: options.vkey === undefined ? '' : keyText(options.vkey) });
  if (key) await conclude(output, verdict, log, options, true);
}

async function conclude(
  output: Output,
  verdict: LogVerdict,
  log: PublishedLog,
  options: TrustOptions,
  wantsWitnesses: boolean,
): Promise<void> {
  const word: Verdict = !verdict.valid
    ? 'INVALID'
    : (await isWitnessed(log, verdict, options))
      ? 'WITNESSED'
      : 'UNWITNESSED';
  showVerdict(output, verdict, word);
  if (word === 'INVALID')
    throw new CliError(
      'refused',
      `the log is NOT intact: ${verdict.problems.length + verdict.furtherProblems} problems`,
      'keep the files as they are and compare them with a copy',
    );
  if (word === 'UNWITNESSED' && wantsWitnesses)
    throw new CliError(
      'unwitnessed',
      'the log is intact, but not enough witnesses that you trust have seen it',
    );
}

async function isWitnessed(log: PublishedLog, { vkey }: LogVerdict, options: TrustOptions): Promise<boolean> {
  if (options.policy === undefined || vkey === undefined) return false;
  const { policy, logs } = trustOf({ ...options, vkey });
  const [key] = logs;
  if (!policy || !key) return false;
  const checkpoint = openCheckpoint(await log.checkpoint(), key);
  const seen = cosignatures(
    checkpoint,
    policy.witnesses.map((witness) => witness.key),
  ).map((one) => one.key);
  return policy.satisfiedBy(
    new Set(policy.witnesses.filter((witness) => seen.includes(witness.key)).map(({ name }) => name)),
  );
}

function publicDirectoryOf(config: Config): string {
  return join(dataPaths(config.dataDir).log, 'public');
}

function showVerdict(output: Output, verdict: LogVerdict, word: Verdict): void {
  const { origin, size, journaled, identities, openCalls, vkey, notes, problems, furtherProblems } = verdict;
  output.document({ verdict: word, ...verdict }, [
    ['verdict', word],
    ['log', `${origin ?? 'unknown'}: ${verdict.valid ? 'intact' : 'NOT INTACT'}`],
    ['records', `${size} under the signed checkpoint${journaled > 0 ? `, ${journaled} behind it` : ''}`],
    ['identities', identities > 0 ? `${identities}, each with an unbroken sequence` : undefined],
    ['open calls', String(openCalls)],
    ['checked with', vkey],
    ...notes.map((note) => ['note', note] as const),
    ...problems.map((problem) => ['PROBLEM', describeProblem(problem)] as const),
    ['PROBLEM', furtherProblems > 0 ? `and ${furtherProblems} more` : undefined],
  ]);
}

function describeProblem({ kind, message, file, record }: Problem): string {
  const where = [file, record === undefined ? undefined : `record ${record}`].filter(
    (part) => part !== undefined,
  );
  return `${kind}${where.length > 0 ? ` (${where.join(', ')})` : ''}: ${message}`;
}

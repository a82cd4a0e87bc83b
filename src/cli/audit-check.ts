import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type Config, dataPaths } from '../config/index.ts';
import { type LogVerdict, type Problem, verifyLog, verifyProof } from '../provenance/index.ts';
import { mustGet, noLog, withLog } from './audit-access.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import type { Output } from './output.ts';
import { recordJson } from './record-formats.ts';
import type { Terminal } from './terminal.ts';

interface KeyOptions extends CommonOptions {
  readonly vkey?: string;
}

/** Checking what others have to believe: the whole log, and single records, offline. */
export function registerAuditChecking(group: Command, terminal: Terminal): void {
  addCommand(group, {
    usage: 'verify',
    summary: 'check the whole log offline: every byte, every signature, every sequence',
    example: 'audit verify --data-dir /var/lib/tibet-sip --vkey log.vkey',
  })
    .option('--vkey <key>', "the log's verifier key that you trust, or a file that holds it")
    .action(async (options: KeyOptions) => {
      const { output, config } = openContext(terminal, options);
      const { log } = dataPaths(config().dataDir);
      if (!existsSync(join(log))) throw noLog(config());
      const verdict = await verifyLog({
        directory: log,
        ...(options.vkey !== undefined && { vkey: keyText(options.vkey) }),
      });
      showVerdict(output, verdict);
      if (!verdict.valid)
        throw new CliError(
          'refused',
          `the log is NOT intact: ${verdict.problems.length + verdict.furtherProblems} problems`,
          'keep the files as they are and compare them with a copy',
        );
    });

  addCommand(group, {
    usage: 'prove <id>',
    summary: 'write a proof of one record that anybody can check with the verifier key alone',
    example: 'audit prove k5dwq3zs6cxm --out call.tlog-proof',
  })
    .option('--out <file>', 'file to write (else standard output)')
    .option('--no-layers', 'prove that the record exists without saying what it says')
    .action(
      async (id: string, options: CommonOptions & { readonly out?: string; readonly layers: boolean }) => {
        const { output, config } = openContext(terminal, options);
        const { record, proof } = await withLog(config(), async (log) => {
          const found = await mustGet(log, id);
          return { record: found, proof: await log.prove(found.id, { discloseLayers: options.layers }) };
        });
        if (options.out === undefined) return output.text(proof.trimEnd());
        writeFileSync(options.out, proof, { flag: 'wx', mode: 0o600 });
        output.document({ id: record.id, file: options.out, vkey: ownKey(config()) }, [
          ['record', record.id],
          ['file', options.out],
          ['check with', `tibet-sip audit verify-proof ${options.out} --vkey '${ownKey(config()) ?? 'KEY'}'`],
        ]);
      },
    );

  addCommand(group, {
    usage: 'verify-proof <file>',
    summary: 'check a proof offline; needs nothing but the verifier key',
    example: 'audit verify-proof call.tlog-proof --vkey log.vkey',
  })
    .requiredOption('--vkey <key>', "the log's verifier key that you trust, or a file that holds it")
    .action((file: string, options: KeyOptions & { readonly vkey: string }) => {
      const { output } = openContext(terminal, options);
      const verdict = verifyProof(readFileSync(file, 'utf8'), keyText(options.vkey));
      if (!verdict.valid) {
        if (output.json) output.document(verdict, []);
        throw new CliError('refused', `the proof does not hold (${verdict.fault}): ${verdict.reason}`);
      }
      const { record, origin, position, size } = verdict;
      output.document({ valid: true, origin, position, size, record: record && recordJson(record) }, [
        ['proof', 'holds'],
        ['log', `${origin}, record ${position} of ${size}`],
        ['record', record?.id ?? 'its layers are withheld'],
        ['time', record && new Date(record.timeMs).toISOString()],
        ['event', record?.event],
        ['intent', record?.erachter],
      ]);
    });

  addCommand(group, {
    usage: 'checkpoint',
    summary: 'print the newest signed checkpoint and the verifier key: what auditors should keep elsewhere',
    example: 'audit checkpoint >> kept-elsewhere.txt',
  }).action(async (options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const checkpoint = await withLog(config(), (log) => log.checkpoint());
    const vkey = ownKey(config());
    if (output.json) output.document({ vkey, checkpoint }, []);
    else output.text(`${vkey ?? ''}\n\n${checkpoint.trimEnd()}`);
  });
}

/** A verifier key as text, or the first line of a file. */
function keyText(keyOrFile: string): string {
  return existsSync(keyOrFile)
    ? (readFileSync(keyOrFile, 'utf8').trim().split(/\r?\n/, 1)[0] ?? '')
    : keyOrFile;
}

/** The log's own copy of its verifier key: convenient, but an auditor trusts the one that he was given before. */
function ownKey(config: Config): string | undefined {
  const file = join(dataPaths(config.dataDir).log, 'public', 'vkey');
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

function showVerdict(output: Output, verdict: LogVerdict): void {
  const { origin, size, journaled, identities, openCalls, vkey, notes, problems, furtherProblems } = verdict;
  output.document(verdict, [
    ['log', `${origin ?? 'unknown'}: ${verdict.valid ? 'intact' : 'NOT INTACT'}`],
    ['records', `${size} under the signed checkpoint${journaled > 0 ? `, ${journaled} behind it` : ''}`],
    ['identities', `${identities}, each with an unbroken sequence`],
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

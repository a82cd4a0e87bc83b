import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type Config, dataPaths } from '../config/index.ts';
import type { AuditReader, ProofSubject } from '../provenance/index.ts';
import { fingerprintFor, mustGet, parseWhen, withLog } from './audit-access.ts';
import { askOfLog } from './audit-erase.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import type { Terminal } from './terminal.ts';

interface ProveOptions extends CommonOptions {
  readonly call?: string;
  readonly identity?: string;
  readonly since?: number;
  readonly until?: number;
  readonly out?: string;
  readonly head?: boolean;
  readonly layers: boolean;
}

/** What an operator hands to an auditor: one file that holds without the operator. */
export function registerAuditProving(group: Command, terminal: Terminal): void {
  addCommand(group, {
    usage: 'prove [record]',
    summary:
      'write one file that proves one record (by its id), a call (--call ID) or the records of an identity (--identity WHO), to be checked offline',
    example: 'audit prove --call k5dwq3zs6cxm --out call.tlog-proof',
  })
    .option('--call <id>', 'the whole call: its id, its SIP Call-ID, or one of its records')
    .option('--identity <who>', 'all records of a name, fingerprint or number')
    .option('--since <time>', 'with --identity: from then on', parseWhen)
    .option('--until <time>', 'with --identity: up to then', parseWhen)
    .option('--head', 'with --identity: also that none is missing at the end, as of the newest commit-heads')
    .option('--out <file>', 'file to write (else standard output)')
    .option('--no-layers', 'prove that the records exist without saying what they say')
    .action(async (record: string | undefined, options: ProveOptions) => {
      const { output, config } = openContext(terminal, options);
      const loaded = config();
      let subject = await subjectOf(loaded, record, options);
      const proof = await withLog(loaded, async (log) => {
        if ('record' in subject) await mustBeRecord(log, subject.record);
        if ('call' in subject) subject = { call: await callOf(log, subject.call) };
        return log.prove(subject, {
          discloseLayers: options.layers,
          committedHead: options.head === true,
        });
      });
      if (options.out === undefined) return output.text(proof.trimEnd());
      writeFileSync(options.out, proof, { flag: 'wx', mode: 0o600 });
      const vkey = ownKey(loaded);
      output.document({ file: options.out, vkey }, [
        ['file', options.out],
        ['check with', `tibet-sip audit verify ${options.out} --vkey '${vkey ?? 'KEY'}'`],
      ]);
    });

  addCommand(group, {
    usage: 'commit-heads',
    summary:
      'commit to the newest record of every identity now (a gateway does it once an hour): for prove --head',
    example: 'audit commit-heads && tibet-sip audit prove --identity jis:alice --head --out alice.tlog-proof',
  }).action(async (options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    await askOfLog(config(), { commitHeads: true });
    output.document({ committed: true }, [['committed', 'to the newest record of every identity']]);
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

async function subjectOf(
  config: Config,
  record: string | undefined,
  { call, identity, since, until, head, layers }: ProveOptions,
): Promise<ProofSubject> {
  const given = [record, call, identity].filter((one) => one !== undefined);
  if (given.length !== 1 || given[0]?.startsWith('-'))
    throw new CliError(
      'usage',
      'name one thing to prove: the id of a record, --call ID or --identity WHO',
      'as in: tibet-sip audit prove --call k5dwq3zs6cxm',
    );
  if (identity === undefined && (head === true || since !== undefined || until !== undefined))
    throw new CliError('usage', '--head, --since and --until go with --identity');
  if (head === true && (until !== undefined || !layers))
    throw new CliError(
      'usage',
      '--head speaks of the newest record: it goes without --until and --no-layers',
    );
  if (record !== undefined) return { record };
  if (call !== undefined) return { call };
  return {
    identity: await fingerprintFor(config, identity ?? ''),
    ...(since !== undefined && { sinceMs: since }),
    ...(until !== undefined && { untilMs: until }),
  };
}

/** The id of a call, also when it is named by one of its records, as `audit list` shows them. */
async function callOf(log: AuditReader, id: string): Promise<string> {
  for await (const { call } of log.query({ callId: id, limit: 1 })) if (call) return call.id;
  const { call } = await mustGet(log, id);
  if (!call) throw new CliError('notFound', `the record ${id} belongs to no call`, 'prove it without --call');
  return call.id;
}

async function mustBeRecord(log: AuditReader, id: string): Promise<void> {
  for await (const { call } of log.query({ callId: id, limit: 1 }))
    if (call) throw new CliError('usage', `${id} is the id of a call`, `write --call ${id}`);
  await mustGet(log, id);
}

/** The log's own copy of its verifier key: convenient, but an auditor trusts the one that he was given before. */
export function ownKey(config: Config): string | undefined {
  const file = join(dataPaths(config.dataDir).log, 'public', 'vkey');
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

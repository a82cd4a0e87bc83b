import { existsSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import type { Command } from 'commander';
import { silentLogger, systemClock, systemRandom } from '../base/index.ts';
import { type Config, dataPaths } from '../config/index.ts';
import { type LogRequest, serveSpool } from '../gateway/index.ts';
import { spoolJson } from '../overlay/index.ts';
import { ProvenanceError } from '../provenance/index.ts';
import { allFingerprintsFor, withLog } from './audit-access.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import type { Terminal } from './terminal.ts';

/** How long a running gateway may take; a party with millions of records takes longest. */
const patienceMs = 60_000;
const pollMs = 100;

interface EraseOptions extends CommonOptions {
  readonly identity: string;
  readonly reason?: string;
}

/** The only command that takes anything out of the log; it needs the gateway's keys, or a running gateway. */
export function registerAuditErasure(group: Command, terminal: Terminal): void {
  addCommand(group, {
    usage: 'erase',
    summary:
      'destroy what the log says about one party; every proof stays valid, a redaction record says that it was done',
    example: 'audit erase --identity jis:alice --reason "request 2026-17"',
  })
    .requiredOption('--identity <who>', 'name, fingerprint or number of the party')
    .option('--reason <text>', 'goes into the redaction record, for everybody to read: name nobody')
    .action(async (options: EraseOptions) => {
      const { output, config } = openContext(terminal, options);
      const loaded = config();
      const { reason } = options;
      const erased: string[] = [];
      let records = 0;
      for (const erase of await allFingerprintsFor(loaded, options.identity)) {
        const count = await recordsOf(loaded, erase);
        if (count === 0) continue;
        await askOfLog(loaded, { erase, ...(reason === undefined ? {} : { reason }) });
        erased.push(erase);
        records += count;
      }
      if (erased.length === 0)
        throw new CliError('notFound', `the log holds nothing about ${options.identity}`);
      output.document({ identity: erased[0], erased, records }, [
        ['erased', `${options.identity} from ${records} records`],
        [
          'remember',
          'copies of the log that were made before still hold its keys: remove their party-keys file',
        ],
      ]);
    });
}

async function recordsOf(config: Config, identity: string): Promise<number> {
  let count = 0;
  await withLog(config, async (log) => {
    for await (const _ of log.query({ identity })) count += 1;
  });
  return count;
}

/** Done when the spool's file is gone: by the running gateway, or by this process in its place. */
export async function askOfLog(config: Config, content: LogRequest): Promise<void> {
  const file = spoolJson(dataPaths(config.dataDir).spool, content, systemClock.now(), systemRandom);
  try {
    await serveSpool(config, silentLogger);
  } catch (error) {
    if (!(error instanceof ProvenanceError) || error.code !== 'locked') throw error;
    const deadline = systemClock.monotonicMs() + patienceMs;
    while (existsSync(file) && systemClock.monotonicMs() < deadline) await after(pollMs);
  }
  if (existsSync(file))
    throw new CliError(
      'unavailable',
      'not done yet',
      'the gateway tries again every second and at its next start',
    );
}

import type { Command } from 'commander';
import { addCommand, type CommonOptions, collect, openContext } from './command.ts';
import type { Terminal } from './terminal.ts';

export interface TrustOptions extends CommonOptions {
  readonly vkey?: string;
  readonly policy?: string;
  readonly handOver?: readonly string[];
  readonly receipts?: string;
}

/**
 * Checking what others would have to believe: files, published logs, the whole log; all without the operator. The
 * verifier is loaded when it is needed: no other command has to wait for it.
 */
export function registerAuditChecking(group: Command, terminal: Terminal): void {
  addTrust(
    addCommand(group, {
      usage: 'verify [target]',
      summary:
        'check a proof file, a directory or the URL of a published log; without a target, this log, every byte',
      example: 'audit verify call.tlog-proof --vkey log.vkey --policy witnesses.policy',
    }),
  )
    .option(
      '--receipts <file>',
      'receipts that a party kept: a whole log must hold every record that they name',
    )
    .action(async (target: string | undefined, options: TrustOptions) => {
      const { output, config } = openContext(terminal, options);
      const { verifyOwnLog, verifyTarget } = await import('./audit-verdict.ts');
      if (target === undefined) await verifyOwnLog(output, config(), options);
      else await verifyTarget(output, target, options);
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
        const { compareTargets } = await import('./audit-verdict.ts');
        await compareTargets(output, { older, newer, config }, options);
      },
    );
}

function addTrust(command: Command): Command {
  return command
    .option('--vkey <key>', "the log's verifier key that you trust, or a file that holds it")
    .option(
      '--hand-over <file>',
      "a hand-over of the log's key (keys/1, …) from the key that you trust (repeatable)",
      collect,
    )
    .option('--policy <file>', 'C2SP tlog-policy: the witnesses that you trust, and how many are enough');
}

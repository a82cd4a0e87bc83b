import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { formatReceipts } from '../provenance/index.ts';
import { fingerprintFor, withLog } from './audit-access.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import type { Terminal } from './terminal.ts';

interface ReceiptOptions extends CommonOptions {
  readonly identity: string;
  readonly after?: string;
  readonly out?: string;
}

/** Receipts of those whose phones keep none: they wait in the log until somebody fetches them. */
export function registerAuditReceipts(group: Command, terminal: Terminal): void {
  addCommand(group, {
    usage: 'receipts',
    summary: "write a party's receipts, for its owner to keep: they show later if a record was dropped",
    example: 'audit receipts --identity 1007 --out 1007.receipts',
  })
    .requiredOption('--identity <who>', 'name, fingerprint or number of the party')
    .option('--after <n>', 'only those after record n of this identity')
    .option('--out <file>', 'file to write (else standard output)')
    .action(async (options: ReceiptOptions) => {
      const { output, config } = openContext(terminal, options);
      const loaded = config();
      const after = Number(options.after ?? 0);
      if (!Number.isSafeInteger(after) || after < 0)
        throw new CliError('usage', `--after takes a number, not "${options.after}"`);
      const identity = await fingerprintFor(loaded, options.identity);
      const { receipts, nodeTokens } = await withLog(loaded, (log) => log.receipts(identity, after));
      if (receipts.length === 0)
        throw new CliError('notFound', `the log has no such records of ${options.identity}`);
      const text =
        nodeTokens.map((token) => formatReceipts(token, [])).join('') + formatReceipts(undefined, receipts);
      if (options.out === undefined) return output.text(text.trimEnd());
      writeFileSync(options.out, text, { flag: 'wx', mode: 0o600 });
      output.document({ identity, receipts: receipts.length, file: options.out }, [
        ['receipts', String(receipts.length)],
        ['file', options.out],
        ['check with', `tibet-sip audit verify --receipts ${options.out}`],
      ]);
    });
}

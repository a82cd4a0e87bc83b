import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import type { Config } from '../config/index.ts';
import type { RecordQuery, StoredRecord } from '../provenance/index.ts';
import { fingerprintFor, mustGet, parseWhen, shortId, withLog, withNames } from './audit-access.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { type Output, printable } from './output.ts';
import {
  exportHeader,
  formatRecord,
  type RecordFormat,
  recordFormats,
  recordJson,
} from './record-formats.ts';
import type { Terminal } from './terminal.ts';

interface FilterOptions extends CommonOptions {
  readonly identity?: string;
  readonly call?: string;
  readonly event?: string;
  readonly outcome?: string;
  readonly intent?: string;
  readonly after?: number;
  readonly since?: number;
  readonly until?: number;
  readonly limit?: number;
}

const watchIntervalMs = 300;

/** Looking at records: none of these commands changes anything or needs a running gateway. */
export function registerAuditReading(group: Command, terminal: Terminal): void {
  addFilters(
    addCommand(group, {
      usage: 'list',
      summary: 'list records, oldest first',
      example: 'audit list --identity jis:alice --since 24h',
    }),
  )
    .option('--limit <n>', 'only the newest n', positiveCount)
    .action(async (options: FilterOptions) => {
      const { output, config } = openContext(terminal, options);
      const loaded = config();
      const query = await queryOf(loaded, options);
      await withLog(loaded, (log) =>
        withNames(loaded, async (nameOf) => {
          const lines = new RecordLines(output, nameOf);
          // Only the newest are wanted, and they are shown in the order in which they happened.
          if (options.limit === undefined)
            for await (const record of log.query(query)) await lines.print(record);
          else {
            const newest: StoredRecord[] = [];
            const { limit } = options;
            for await (const record of log.query({ ...query, limit, newestFirst: true })) newest.push(record);
            for (const record of newest.toReversed()) await lines.print(record);
          }
          if (lines.printed === 0) output.note('no such records');
        }),
      );
    });

  addFilters(
    addCommand(group, {
      usage: 'watch',
      summary: 'print records as they are made, until Ctrl-C',
      example: 'audit watch --identity jis:alice',
    }),
  ).action(async (options: FilterOptions) => {
    const { output, config } = openContext(terminal, options);
    const loaded = config();
    const query = await queryOf(loaded, options);
    const stop = new AbortController();
    const forget = terminal.onSignal(() => stop.abort());
    await withLog(loaded, (log) =>
      withNames(loaded, async (nameOf) => {
        const lines = new RecordLines(output, nameOf);
        let after = -1;
        for await (const { position } of log.query({ limit: 1, newestFirst: true })) after = position;
        while (!stop.signal.aborted) {
          for await (const record of log.query({ ...query, after })) {
            await lines.print(record);
            after = record.position;
          }
          await pause(watchIntervalMs, stop.signal);
        }
      }),
    );
    forget();
  });

  addCommand(group, {
    usage: 'show <id>',
    summary: 'print one record with its four layers; a prefix of its id is enough',
    example: 'audit show k5dwq3zs6cxm',
  }).action(async (id: string, options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const loaded = config();
    await withLog(loaded, async (log) => {
      const record = await mustGet(log, id);
      const json = recordJson(record);
      if (output.json) return output.document(json, []);
      await withNames(loaded, async (nameOf) => {
        const parties = record.parties.map(
          async ({ role, fingerprint, seq }) => `${role} ${await nameOf(fingerprint)} (its record ${seq})`,
        );
        output.document(json, [
          ['id', record.id],
          ['time', new Date(record.timeMs).toISOString()],
          ['event', record.event],
          ['call', record.call && `${record.call.id}, ${record.call.phase}`],
          ['parties', (await Promise.all(parties)).join(', ') || undefined],
          ['ERIN', showLayer(json['erin'])],
          ['ERAAN', showLayer(json['eraan'])],
          ['EROMHEEN', showLayer(json['eromheen'])],
          ['ERACHTER', printable(record.erachter)],
          ['place', `${record.position} in the log, sealed by node ${shortId(record.node)}`],
        ]);
      });
    });
  });

  addFilters(
    addCommand(group, {
      usage: 'export',
      summary: 'write records as JSON lines, CSV, or TIBET tokens in the field names of the public draft',
      example: 'audit export --format csv --since 2026-01-01 --out january.csv',
    }),
  )
    .addOption(new Option('--format <format>', 'how').choices(recordFormats).default('jsonl'))
    .option('--out <file>', 'file to write (else standard output)')
    .action(async (options: FilterOptions & { readonly format: RecordFormat; readonly out?: string }) => {
      const { output, config } = openContext(terminal, options);
      const loaded = config();
      const query = await queryOf(loaded, options);
      await withLog(loaded, async (log) => {
        const lines = exportLines(options.format, log.query(query));
        if (options.out === undefined) for await (const line of lines) output.text(line);
        else
          await pipeline(withNewlines(lines), createWriteStream(options.out, { flags: 'wx', mode: 0o600 }));
      });
    });
}

function addFilters(command: Command): Command {
  return command
    .option('--identity <who>', 'name, fingerprint or number of a party')
    .option('--call <id>', "the gateway's id of a call, or a SIP Call-ID")
    .option('--event <event>', 'like call.attempt')
    .option('--outcome <outcome>', 'how the call ended: answered, busy, cancelled, refused, …')
    .option('--intent <words>', 'calls whose declared intent has these words')
    .option(
      '--after <position>',
      'only what follows this place in the log: the last one of the page before',
      wholeNumber,
    )
    .option('--since <time>', 'from then on: 2026-01-31, 2026-01-31T12:00:00Z, 15m, 2h, 7d', parseWhen)
    .option('--until <time>', 'up to then', parseWhen);
}

async function queryOf(config: Config, options: FilterOptions): Promise<RecordQuery> {
  const { identity, call, event, outcome, intent, after, since, until } = options;
  return {
    ...(identity !== undefined && { identity: await fingerprintFor(config, identity) }),
    ...(call !== undefined && { callId: call }),
    ...(event !== undefined && { event }),
    ...(outcome !== undefined && { outcome }),
    ...(intent !== undefined && { intent }),
    ...(after !== undefined && { after }),
    ...(since !== undefined && { sinceMs: since }),
    ...(until !== undefined && { untilMs: until }),
  };
}

/** Prints records one by one: a log may be larger than memory, so the columns are as wide as they usually are. */
class RecordLines {
  readonly #output: Output;
  readonly #nameOf: (fingerprint: string) => Promise<string>;
  printed = 0;

  constructor(output: Output, nameOf: (fingerprint: string) => Promise<string>) {
    this.#output = output;
    this.#nameOf = nameOf;
  }

  async print(record: StoredRecord): Promise<void> {
    if (this.#output.json) this.#output.jsonLine(recordJson(record));
    else {
      if (this.printed === 0)
        this.#output.text(
          `${'TIME'.padEnd(22)}${'ID'.padEnd(14)}${'EVENT'.padEnd(24)}${'PARTIES'.padEnd(30)}INTENT`,
        );
      const names = await Promise.all(record.parties.map(({ fingerprint }) => this.#nameOf(fingerprint)));
      const time = `${new Date(record.timeMs).toISOString().slice(0, 19)}Z`;
      this.#output.text(
        printable(
          `${time.padEnd(22)}${shortId(record.id).padEnd(14)}${record.event.padEnd(24)}${names.join(' -> ').padEnd(30)}${record.erachter}`,
        ),
      );
    }
    this.printed++;
  }
}

async function* exportLines(
  format: RecordFormat,
  records: AsyncIterable<StoredRecord>,
): AsyncGenerator<string> {
  const header = exportHeader(format);
  if (header !== undefined) yield header;
  for await (const record of records) yield formatRecord(format, record);
}

async function* withNewlines(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`;
}

function showLayer(layer: unknown): string {
  const entries = typeof layer === 'object' && layer !== null ? Object.entries(layer) : [];
  return entries
    .map(([key, value]) => `${key}=${typeof value === 'string' ? printable(value) : JSON.stringify(value)}`)
    .join('  ');
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0)
    throw new CliError('usage', `--after takes the position of a record, not "${text}"`);
  return number;
}

function positiveCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new CliError('usage', `--limit takes a number, not "${text}"`);
  return count;
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, delayMs);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}

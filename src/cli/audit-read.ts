import type { Command } from 'commander';
import type { StoredRecord } from '../provenance/index.ts';
import { mustGet, partyName, shortId, withLog, withNames } from './audit-access.ts';
import { addFilters, countOf, type FilterOptions, queryOf, recordsOf } from './audit-filters.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { type Output, printable } from './output.ts';
import { recordJson } from './record-formats.ts';
import type { Terminal } from './terminal.ts';

/** Looking at records: none of these commands changes anything or needs a running gateway. */
export function registerAuditReading(group: Command, terminal: Terminal): void {
  addFilters(
    addCommand(group, {
      usage: 'list',
      summary: 'list records, oldest first',
      example: 'audit list --identity jis:alice --since 24h',
    }),
  )
    .option('--limit <n>', 'only the newest n; with --after the next n', countOf('--limit', 1))
    .option('--follow', 'go on with records as they are made, until Ctrl-C')
    .action(async (options: FilterOptions) => {
      const { output, config } = openContext(terminal, options);
      const loaded = config();
      const query = await queryOf(loaded, options);
      const { limit, follow, after } = options;
      if (follow === true && limit !== undefined)
        throw new CliError('usage', '--follow has no end that --limit could count from');
      const stop = new AbortController();
      const forget = terminal.onSignal(() => stop.abort());
      await withLog(loaded, (log) =>
        withNames(loaded, async (nameOf) => {
          const lines = new RecordLines(output, nameOf);
          // Only the newest are wanted, and they are shown in the order in which they happened.
          if (limit !== undefined && after === undefined) {
            const newest: StoredRecord[] = [];
            for await (const record of log.query({ ...query, limit, newestFirst: true })) newest.push(record);
            for (const record of newest.toReversed()) await lines.print(record);
          } else {
            const page = limit === undefined ? query : { ...query, limit };
            for await (const record of recordsOf(log, page, follow === true ? stop.signal : undefined))
              await lines.print(record);
            if (lines.printed === limit) output.note(`the next page: --after ${lines.last}`);
          }
          if (lines.printed === 0) output.note('no such records');
        }),
      );
      forget();
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
        for await (const record of recordsOf(log, { ...query, after }, stop.signal))
          await lines.print(record);
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
          async (party) =>
            `${party.role} ${partyName(await nameOf(party.fingerprint), party, record)} (its record ${party.seq})`,
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
}

/** Prints records one by one: a log may be larger than memory, so the columns are as wide as they usually are. */
class RecordLines {
  readonly #output: Output;
  readonly #nameOf: (fingerprint: string) => Promise<string | undefined>;
  printed = 0;
  /** Its place in the log. */
  last = 0;

  constructor(output: Output, nameOf: (fingerprint: string) => Promise<string | undefined>) {
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
      const names = await Promise.all(
        record.parties.map(async (party) => partyName(await this.#nameOf(party.fingerprint), party, record)),
      );
      // In their places: who is left of a call is not who made it.
      for (const part of record.redacted)
        if (part.startsWith('party ')) names.splice(Number(part.slice('party '.length)), 0, 'erased');
      const time = `${new Date(record.timeMs).toISOString().slice(0, 19)}Z`;
      this.#output.text(
        printable(
          `${time.padEnd(22)}${shortId(record.id).padEnd(14)}${column(record.event, 24)}${column(names.join(' -> '), 30)}${record.erachter}`,
        ),
      );
    }
    this.printed++;
    this.last = record.position;
  }
}

/** As wide as it usually is; what is longer moves the rest. */
function column(text: string, width: number): string {
  return `${text.padEnd(width - 2)}  `;
}

function showLayer(layer: unknown): string {
  const entries = typeof layer === 'object' && layer !== null ? Object.entries(layer) : [];
  return entries
    .map(([key, value]) => `${key}=${typeof value === 'string' ? printable(value) : JSON.stringify(value)}`)
    .join('  ');
}

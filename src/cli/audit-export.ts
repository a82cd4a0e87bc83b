import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import { type Config, dataPaths } from '../config/index.ts';
import {
  type AuditReader,
  callToVcon,
  ProvenanceError,
  type StoredRecord,
  transparentStatement,
} from '../provenance/index.ts';
import { loadIdentity } from '../tokens/index.ts';
import { withLog } from './audit-access.ts';
import { addFilters, type FilterOptions, queryOf, recordsOf } from './audit-filters.ts';
import { addCommand, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { type RecordFormat, recordFormats, recordLines } from './record-formats.ts';
import type { Terminal } from './terminal.ts';

interface ExportOptions extends FilterOptions {
  readonly format: RecordFormat;
  readonly out?: string;
}

/** Records in forms that other programs read. */
export function registerAuditExport(group: Command, terminal: Terminal): void {
  addFilters(
    addCommand(group, {
      usage: 'export',
      summary:
        'write records as JSON lines, CSV, TIBET tokens, vCons (one a call) or SCITT statements (a CBOR sequence)',
      example: 'audit export --format csv --since 2026-01-01 --out january.csv',
    }),
  )
    .addOption(new Option('--format <format>', 'how').choices(recordFormats).default('jsonl'))
    .option('--follow', 'go on with records as they are made, until Ctrl-C')
    .option('--out <file>', 'file to write (else standard output)')
    .action(async (options: ExportOptions) => {
      const { output, config } = openContext(terminal, options);
      const loaded = config();
      const { format, out } = options;
      if (format === 'scitt' && out === undefined)
        throw new CliError('usage', 'SCITT statements are bytes: name a file with --out');
      const query = await queryOf(loaded, options);
      const stop = new AbortController();
      const forget = terminal.onSignal(() => stop.abort());
      await withLog(loaded, async (log) => {
        const records = recordsOf(log, query, options.follow === true ? stop.signal : undefined);
        const parts = partsOf(loaded, log, format, records);
        if (out === undefined) for await (const part of parts) output.text(part.toString().trimEnd());
        else await pipeline(Readable.from(parts), createWriteStream(out, { flags: 'wx', mode: 0o600 }));
      });
      forget();
    });
}

async function* partsOf(
  config: Config,
  log: AuditReader,
  format: RecordFormat,
  records: AsyncIterable<StoredRecord>,
): AsyncGenerator<string | Buffer> {
  if (format === 'scitt') yield* statements(config, log, records);
  else if (format === 'vcon') yield* vcons(log, records);
  else for await (const line of recordLines(format, records)) yield `${line}\n`;
}

/** One line for each call that one of the records belongs to. */
async function* vcons(log: AuditReader, records: AsyncIterable<StoredRecord>): AsyncGenerator<string> {
  const seen = new Set<string>();
  for await (const { call } of records) {
    if (!call || seen.has(call.id)) continue;
    seen.add(call.id);
    const own: StoredRecord[] = [];
    for await (const record of log.query({ callId: call.id }))
      if (record.call?.id === call.id) own.push(record);
    const vcon = callToVcon(own, await proofOf(log, call.id));
    if (vcon) yield `${JSON.stringify(vcon)}\n`;
  }
}

/** Undefined while no checkpoint covers the call. */
async function proofOf(log: AuditReader, call: string): Promise<string | undefined> {
  try {
    return await log.prove({ call });
  } catch (error) {
    if (error instanceof ProvenanceError && error.code === 'record-pending') return undefined;
    throw error;
  }
}

/** RFC 8742: CBOR items one behind the other. Needs the gateway's own keys: it is the one that states. */
async function* statements(
  config: Config,
  log: AuditReader,
  records: AsyncIterable<StoredRecord>,
): AsyncGenerator<Buffer> {
  const paths = dataPaths(config.dataDir);
  const [gateway, checkpoint] = [
    await loadIdentity(paths.gatewayKey),
    await loadIdentity(paths.checkpointKey),
  ];
  const issuer = { key: gateway.key, fingerprint: gateway.token.fingerprint };
  for await (const { id } of records)
    yield Buffer.from(
      transparentStatement(await log.prove(id, { discloseLayers: false }), id, {
        issuer,
        logKey: checkpoint.key,
      }),
    );
}

import { accessSync, constants, createWriteStream, rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { type Config, dataPaths } from '../config/index.ts';
import {
  type AuditReader,
  callToVcon,
  type ProofOptions,
  type ProofSubject,
  ProvenanceError,
  type StoredRecord,
  transparentStatement,
} from '../provenance/index.ts';
import { loadIdentity, type SigningKey } from '../tokens/index.ts';
import { withLog } from './audit-access.ts';
import { addFilters, type FilterOptions, queryOf, recordsOf } from './audit-filters.ts';
import { addCommand, openContext } from './command.ts';
import { CliError, codeOf } from './failure.ts';
import { type RecordFormat, recordFormats, recordLines } from './record-formats.ts';
import type { Terminal } from './terminal.ts';

/** Together ten times what a gateway takes for a checkpoint. */
const maxProofAttempts = 50;
const proofIntervalMs = 100;

interface ExportOptions extends FilterOptions {
  readonly format: RecordFormat;
  readonly out?: string;
  readonly layers: boolean;
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
    .option('--no-layers', 'with --format scitt: statements that do not say what the records say')
    .action(async (options: ExportOptions) => {
      const { output, config } = openContext(terminal, options);
      const loaded = config();
      const { format, out, layers } = options;
      const follow = options.follow === true;
      if (format === 'scitt' && out === undefined)
        throw new CliError('usage', 'SCITT statements are bytes: name a file with --out');
      if (format !== 'scitt' && !layers) throw new CliError('usage', '--no-layers goes with --format scitt');
      const query = await queryOf(loaded, options);
      const stop = new AbortController();
      const forget = terminal.onSignal(() => stop.abort());
      await withLog(loaded, async (log) => {
        const records = recordsOf(log, query, follow ? stop.signal : undefined);
        const parts = partsOf(loaded, log, records, options);
        if (out === undefined) for await (const part of parts) output.text(part.toString().trimEnd());
        else await writeParts(parts, out, follow);
      });
      forget();
    });
}

/** A half export looks like a whole one: it does not stay, unless it was to go on until somebody ends it. */
async function writeParts(
  parts: AsyncIterable<string | Buffer>,
  out: string,
  follow: boolean,
): Promise<void> {
  try {
    await pipeline(Readable.from(parts), createWriteStream(out, { flags: 'wx', mode: 0o600 }));
  } catch (error) {
    if (!follow && codeOf(error) !== 'EEXIST') rmSync(out, { force: true });
    throw error;
  }
}

async function* partsOf(
  config: Config,
  log: AuditReader,
  records: AsyncIterable<StoredRecord>,
  { format, layers }: ExportOptions,
): AsyncGenerator<string | Buffer> {
  if (format === 'scitt') yield* statements(config, log, records, layers);
  else if (format === 'vcon') yield* vcons(log, records);
  else {
    const signer = format === 'tibet' ? await gatewayKeyAtHand(config) : undefined;
    for await (const line of recordLines(format, records, signer)) yield `${line}\n`;
  }
}

/** Whoever reads a copy of the log, or may not read the gateway's keys, exports tokens without a signature. */
async function gatewayKeyAtHand(config: Config): Promise<SigningKey | undefined> {
  const { gatewayKey } = dataPaths(config.dataDir);
  try {
    accessSync(gatewayKey, constants.R_OK);
  } catch {
    return undefined;
  }
  return (await loadIdentity(gatewayKey)).key;
}

/** One line for each call that one of the records belongs to and that has ended: no vCon says that it goes on. */
async function* vcons(log: AuditReader, records: AsyncIterable<StoredRecord>): AsyncGenerator<string> {
  const seen = new Set<string>();
  for await (const { call } of records) {
    if (!call || seen.has(call.id)) continue;
    const own: StoredRecord[] = [];
    for await (const record of log.query({ callId: call.id }))
      if (record.call?.id === call.id) own.push(record);
    if (own.at(-1)?.call?.phase !== 'close') continue;
    seen.add(call.id);
    const vcon = callToVcon(own, await proofOf(log, { call: call.id }));
    if (vcon) yield `${JSON.stringify(vcon)}\n`;
  }
}

/** A gateway needs a moment to sign for its newest records. */
async function proofOf(log: AuditReader, subject: ProofSubject, options?: ProofOptions): Promise<string> {
  for (let attempt = 1; ; attempt++)
    try {
      return await log.prove(subject, options);
    } catch (error) {
      const pending = error instanceof ProvenanceError && error.code === 'record-pending';
      if (!pending || attempt === maxProofAttempts) throw error;
      await sleep(proofIntervalMs);
    }
}

/** RFC 8742: CBOR items one behind the other. Needs the gateway's own keys: it is the one that states. */
async function* statements(
  config: Config,
  log: AuditReader,
  records: AsyncIterable<StoredRecord>,
  layers: boolean,
): AsyncGenerator<Buffer> {
  const paths = dataPaths(config.dataDir);
  const [gateway, checkpoint] = [
    await loadIdentity(paths.gatewayKey),
    await loadIdentity(paths.checkpointKey),
  ];
  const issuer = { key: gateway.key, fingerprint: gateway.token.fingerprint };
  for await (const { id } of records)
    yield Buffer.from(
      transparentStatement(await proofOf(log, { record: id }, { discloseLayers: layers }), id, {
        issuer,
        logKey: checkpoint.key,
      }),
    );
}

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/index.ts';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { dataPaths } from '../../src/config/index.ts';
import { AuditLog, logReceiptType, statementType } from '../../src/provenance/index.ts';
import { leafHash, rootFromInclusion } from '../../src/provenance/merkle-tree.ts';
import {
  decodeCbor,
  decodeCoseSign1,
  generateSigningKey,
  loadIdentity,
  verifySignature,
} from '../../src/tokens/index.ts';
import { parseVkey } from '../../src/verify/index.ts';
import { alice, bob, draft, settled } from '../provenance/support/test-log.ts';
import { jsonLines, type RunningCommand, runCli, startCli } from './recorded-terminal.ts';

const directory = mkdtempSync(join(tmpdir(), 'tibet-sip-queries-'));
const dataDir = join(directory, 'data');
const paths = dataPaths(dataDir);
const nodeKey = generateSigningKey();
const records = 10_000;
/** One record a minute. */
const startMs = Date.UTC(2026, 0, 1);
let log: AuditLog;
let written = 0;
afterAll(async () => {
  await log.close();
  rmSync(directory, { recursive: true });
});

const cli = (...args: readonly string[]): ReturnType<typeof runCli> =>
  runCli(['audit', ...args, '--data-dir', dataDir]);

async function positions(...args: readonly string[]): Promise<unknown[]> {
  const { code, out, err } = await cli('list', '--json', ...args);
  expect(code, err).toBe(exitCodes.ok);
  return jsonLines(out).map(({ position }) => position);
}

const from = (first: number, count: number): number[] => Array.from({ length: count }, (_, at) => first + at);

beforeAll(async () => {
  log = await AuditLog.open({
    directory: paths.log,
    indexDirectory: paths.index,
    checkpointKey: generateSigningKey(),
    origin: 'localhost/test',
    nodeKey,
    nodeFingerprint: alice,
    clock: {
      now: () => startMs + written * 60_000,
      monotonicMs: () => systemClock.monotonicMs(),
      setTimer: (delayMs, callback) => systemClock.setTimer(delayMs, callback),
    },
  });
  // The opening record is number 0.
  for (written = 1; written < records; written++) {
    const result = log.append(
      draft(written % 2 === 0 ? 'even' : 'odd', { parties: [{ fingerprint: bob, role: 'subject' }] }),
    );
    if (written % 1_000 === 999) await settled(result);
  }
}, 60_000);

describe('audit list over ten thousand records', () => {
  it('goes through them page by page, each once and in order', async () => {
    const seen: unknown[] = [];
    for (let after = -1; ; ) {
      const page = await positions('--after', String(after), '--limit', '3000');
      if (page.length === 0) break;
      seen.push(...page);
      after = Number(page.at(-1));
    }
    expect(seen).toEqual(from(0, records));
    const { out } = await cli('list', '--after', '-1', '--limit', '3');
    expect(out).toContain('the next page: --after 2');
    expect((await cli('list', '--after', '-2')).code).toBe(exitCodes.usage);
  });

  it('shows the newest, and pages of what a filter leaves', async () => {
    expect(await positions('--limit', '2')).toEqual([9_998, 9_999]);
    expect(await positions('--event', 'even', '--after', '5000', '--limit', '3')).toEqual([
      5_002, 5_004, 5_006,
    ]);
    expect(await positions('--identity', bob, '--event', 'odd', '--limit', '2')).toEqual([9_997, 9_999]);
    expect(await positions('--identity', alice)).toEqual([]);
  });

  it('takes --since and --until inclusively, alone and together', async () => {
    const at = (minute: number): string => new Date(startMs + minute * 60_000).toISOString();
    expect(await positions('--since', at(9_990))).toEqual(from(9_990, 10));
    expect(await positions('--until', at(4))).toEqual(from(0, 5));
    expect(await positions('--since', at(7_000), '--until', at(7_003))).toEqual(from(7_000, 4));
    expect((await cli('list', '--since', at(7_003), '--until', at(7_000))).code).toBe(exitCodes.usage);
    expect(await positions('--since', '2027-01-01')).toEqual([]);
    const { out } = await cli('export', '--format', 'csv', '--since', at(9_998));
    expect(out.split('\n')).toHaveLength(3);
  });
});

describe('audit list, watch and export beside a gateway that writes', () => {
  it.each([
    ['list', ['list', '--follow', '--since', '2026-01-07T22:38:00Z'], 2],
    ['watch', ['watch'], 0],
    ['export', ['export', '--follow', '--after', '9998'], 1],
  ])('%s goes on with records as they are made, until it is interrupted', async (_, args, before) => {
    const known = Number((await positions('--limit', '1'))[0]) - (records - 1);
    const command: RunningCommand = startCli(
      ['audit', ...args, '--json', '--data-dir', dataDir].filter(
        (arg) => arg !== '--json' || args[0] !== 'export',
      ),
    );
    const shown = (): unknown[] => jsonLines(command.out.join('\n')).map(({ event }) => event);
    if (before > 0) await expect.poll(() => shown().length, { timeout: 20_000 }).toBe(before + known);
    // `watch` shows what comes after it has begun: it is told until it is there.
    await expect
      .poll(
        async () => {
          await settled(log.append(draft('fresh')));
          written++;
          return shown().includes('fresh');
        },
        { timeout: 20_000, interval: 400 },
      )
      .toBe(true);
    command.interrupt();
    expect((await command.done).code).toBe(exitCodes.ok);
  });

  it('says that --follow has no end that --limit could count from', async () => {
    expect((await cli('list', '--follow', '--limit', '3')).code).toBe(exitCodes.usage);
  });
});

it('audit list --pseudonyms: and what an identity did under those that show whose they are, no hidden one', async () => {
  const file = (name: string): string => join(directory, `${name}.json`);
  const run = async (...args: readonly string[]): Promise<void> => {
    const { code, err } = await runCli([...args, '--data-dir', dataDir]);
    expect(code, `${args.join(' ')}: ${err}`).toBe(exitCodes.ok);
  };
  const parent = ['--parent', file('carol')];
  await run('identity', 'new', '--name', 'jis:carol', '--out', file('carol'));
  await run(
    'identity',
    'pseudonym',
    ...parent,
    '--show-parent',
    '--name',
    'jis:shown',
    '--out',
    file('shown'),
  );
  await run('identity', 'pseudonym', ...parent, '--name', 'jis:hidden', '--out', file('hidden'));
  for (const name of ['carol', 'shown', 'hidden']) {
    await run('overlay', 'enrol', file(name));
    const { fingerprint } = (await loadIdentity(file(name))).token;
    await settled(log.append(draft('shift', { parties: [{ fingerprint, role: 'subject' }] })));
  }
  const shifts = async (...args: readonly string[]): Promise<number> =>
    (await positions('--event', 'shift', '--identity', ...args)).length;
  expect(await shifts('jis:carol')).toBe(1);
  expect(await shifts('jis:carol', '--pseudonyms')).toBe(2);
  expect(await shifts('jis:hidden')).toBe(1);
});

it('audit export --format scitt: statements with receipts that hold under both keys (RFC 9943, RFC 9942)', async () => {
  const own = ['--data-dir', join(directory, 'own')];
  const file = join(directory, 'statements.cbor');
  expect((await runCli(['audit', 'commit-heads', ...own])).code).toBe(exitCodes.ok);
  const exported = await runCli([
    'audit',
    'export',
    '--format',
    'scitt',
    '--event',
    'audit.heads',
    '--out',
    file,
    ...own,
  ]);
  expect(exported.code, exported.err).toBe(exitCodes.ok);
  const { gatewayKey, log: published } = dataPaths(join(directory, 'own'));
  const gateway = await loadIdentity(gatewayKey);
  const logKey = parseVkey(readFileSync(join(published, 'public/vkey'), 'utf8').trim()).publicKey;

  const statement = decodeCoseSign1(readFileSync(file));
  expect(statement.typ).toBe(statementType);
  expect(verifySignature(gateway.key.publicKey, statement.toBeSigned(), statement.signature)).toBe(true);
  const [bytes] = statement.unprotectedMap.get(394) as readonly Uint8Array[];
  const receipt = decodeCoseSign1(bytes ?? new Uint8Array(0));
  expect(receipt.typ).toBe(logReceiptType);
  const proofs = receipt.unprotectedMap.get(396) as ReadonlyMap<number, readonly Uint8Array[]>;
  const [size, index, path] = decodeCbor(proofs.get(-1)?.[0] ?? new Uint8Array(0)) as [
    number,
    number,
    Uint8Array[],
  ];
  const root = rootFromInclusion(leafHash(statement.payload ?? new Uint8Array(0)), index, size, path);
  expect(verifySignature(logKey, receipt.toBeSigned(root), receipt.signature)).toBe(true);
  expect((await runCli(['audit', 'export', '--format', 'scitt', ...own])).code).toBe(exitCodes.usage);
});

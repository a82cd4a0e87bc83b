import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Logger, silentLogger, systemClock } from '../../src/base/index.ts';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { loadConfig } from '../../src/config/index.ts';
import { createGateway, type Gateway } from '../../src/gateway/index.ts';
import { postWithin } from '../../src/gateway/witness-post.ts';
import { Witnesses } from '../../src/gateway/witnesses.ts';
import { type AuditLog, openAuditReader, verifyLog } from '../../src/provenance/index.ts';
import { signNote } from '../../src/provenance/signed-note.ts';
import { generateSigningKey } from '../../src/tokens/index.ts';
import { parsePolicy, parseTrust, verifyFile } from '../../src/verify/index.ts';
import { runCli } from '../cli/recorded-terminal.ts';
import { draft, openLog, scratch } from '../provenance/support/test-log.ts';
import { forkedLogs, limits, written } from './forked-log.ts';
import { answeredCall } from './proof-support.ts';
import { WitnessServer } from './witness-server.ts';

let directory: ReturnType<typeof scratch>;
const closing: (() => Promise<void>)[] = [];
beforeEach(() => {
  directory = scratch();
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  directory.dispose();
});

async function openedLog(): Promise<AuditLog> {
  const log = await openLog(directory.path, { limits });
  closing.push(() => log.close());
  return log;
}

async function witness(
  log: AuditLog,
  name: string,
  algorithm: 'ed25519' | 'ml-dsa-44',
): Promise<WitnessServer> {
  const server = await WitnessServer.start(name, algorithm, log.vkey);
  closing.push(() => server.close());
  return server;
}

/** What the gateway says at `error`, beside the client itself. */
function client(log: AuditLog, policy: string): { readonly witnesses: Witnesses; readonly alarms: string[] } {
  const alarms: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    error: (fields) => {
      alarms.push(JSON.stringify(fields));
    },
  };
  const witnesses = new Witnesses({
    log,
    policy: parsePolicy(policy),
    post: postWithin(5_000),
    clock: systemClock,
    logger,
    intervalMs: 10,
  });
  closing.push(() => witnesses.close());
  return { witnesses, alarms };
}

describe('property 2 (operator-independent): witnesses countersign what the log signs (C2SP tlog-witness)', () => {
  test('a quorum of an Ed25519 and an ML-DSA-44 witness makes a proof WITNESSED; property 15 (code agility)', async () => {
    const log = await openedLog();
    const [one, two] = [
      await witness(log, 'w.example/1', 'ed25519'),
      await witness(log, 'w.example/2', 'ml-dsa-44'),
    ];
    const gone = await WitnessServer.start('w.example/3', 'ed25519', log.vkey);
    const members = `${one.policyLine}${two.policyLine}${gone.policyLine}`;
    await gone.close();
    const names = 'w.example-1 w.example-2 w.example-3';
    const policy = `${members}group all-of-them 2 ${names}\nquorum all-of-them\n`;
    const { witnesses } = client(log, policy);
    for (let round = 0; round < 3; round++) {
      const [id = ''] = await written(log, answeredCall(`c${round}`));
      const { verdict } = verifyFile(await log.prove(id), parseTrust(log.vkey, policy));
      expect(verdict).toBe('UNWITNESSED');
      expect(await witnesses.collect()).toBe(true);
      const report = verifyFile(await log.prove({ call: `c${round}` }), parseTrust(log.vkey, policy));
      expect(report).toMatchObject({
        verdict: 'WITNESSED',
        witnesses: [{ algorithm: 'Ed25519' }, { algorithm: 'ML-DSA-44' }],
      });
      const all = policy.replace('all-of-them 2', 'all-of-them all');
      expect(verifyFile(await log.prove(id), parseTrust(log.vkey, all)).verdict).toBe('UNWITNESSED');
    }
    // The later rounds carried consistency proofs, not a fresh start.
    expect(two.requests.map((body) => body.split('\n', 1)[0])).toEqual(['old 0', 'old 5', 'old 9']);
    expect(await verifyLog({ directory: join(directory.path, 'log'), vkey: log.vkey })).toMatchObject({
      problems: [],
    });
    const reader = await openAuditReader({
      directory: join(directory.path, 'log'),
      indexDirectory: join(directory.path, 'index'),
    });
    expect(verifyFile(await reader.prove({ call: 'c0' }), parseTrust(log.vkey, policy)).verdict).toBe(
      'WITNESSED',
    );
    await reader.close();

    const file = join(directory.path, 'witnesses.policy');
    writeFileSync(file, policy);
    const checked = await runCli([
      'audit',
      'verify',
      join(directory.path, 'log'),
      '--vkey',
      log.vkey,
      '--policy',
      file,
    ]);
    expect(checked.code, checked.err).toBe(exitCodes.ok);
    expect(checked.out).toContain('WITNESSED');
  });

  test('property 11 (time-bounded both ways): what a witness saw is older than its cosignature says', async () => {
    const log = await openedLog();
    const server = await witness(log, 'w.example/1', 'ed25519');
    const policy = `${server.policyLine}quorum w.example-1\n`;
    const before = Math.floor(Date.now() / 1000);
    const [id = ''] = await written(log, [draft('dated')]);
    expect(await client(log, policy).witnesses.collect()).toBe(true);
    const { witnesses, proved } = verifyFile(await log.prove(id), parseTrust(log.vkey, policy));
    const seen = Date.parse(witnesses[0]?.time ?? '') / 1000;
    expect(seen).toBeGreaterThanOrEqual(before);
    expect(seen).toBeLessThanOrEqual(Date.now() / 1000);
    expect(proved.join()).toContain(`by ${witnesses[0]?.time} at the latest: all of it is older than that`);
  });

  test('a client that has forgotten what a witness saw is told (409), and goes on from there', async () => {
    const log = await openedLog();
    const server = await witness(log, 'w.example/1', 'ml-dsa-44');
    const policy = `${server.policyLine}quorum w.example-1\n`;
    await written(log, [draft('before')]);
    expect(await client(log, policy).witnesses.collect()).toBe(true);
    await written(log, answeredCall('c1'));
    const { witnesses, alarms } = client(log, policy);
    expect(await witnesses.collect()).toBe(true);
    expect(server.requests.map((body) => body.split('\n', 1)[0])).toEqual(['old 0', 'old 0', 'old 2']);
    expect(await witnesses.collect()).toBe(true);
    expect(server.requests).toHaveLength(3);
    expect(alarms).toEqual([]);
  });

  test('property 5 (non-equivocation): a witness that saw the other log countersigns nothing, and the gateway is alarmed', async () => {
    const { shown, hidden } = await forkedLogs(directory.path);
    closing.push(
      () => shown.close(),
      () => hidden.close(),
    );
    const server = await witness(shown, 'w.example/1', 'ed25519');
    const policy = `${server.policyLine}quorum w.example-1\n`;
    expect(await client(hidden, policy).witnesses.collect()).toBe(true);
    const { witnesses, alarms } = client(shown, policy);
    expect(await witnesses.collect()).toBe(false);
    expect(alarms.join()).toContain('it saw 12 records, the log has 7');
    await written(
      shown,
      Array.from({ length: 9 }, (_, at) => draft(`more ${at}`)),
    );
    expect(await witnesses.collect()).toBe(false);
    expect(alarms.at(-1)).toContain('no consistency');
    expect(shown.witnessedCheckpoint()).toBeUndefined();
  });

  test.each([
    ['names the size', undefined],
    ['has no body', ''],
  ])(
    'property 5: another root of the very size that a witness saw is an alarm (409 that %s)',
    async (_, body) => {
      const { shown, hidden } = await forkedLogs(directory.path);
      closing.push(
        () => shown.close(),
        () => hidden.close(),
      );
      await written(
        shown,
        Array.from({ length: 5 }, (_one, at) => draft(`more ${at}`)),
      );
      expect(shown.size).toBe(hidden.size);
      const server = await witness(shown, 'w.example/1', 'ed25519');
      server.conflictBody = body;
      const policy = `${server.policyLine}quorum w.example-1\n`;
      expect(await client(hidden, policy).witnesses.collect()).toBe(true);
      const { witnesses, alarms } = client(shown, policy);
      expect(await witnesses.collect()).toBe(false);
      expect(alarms.join()).toContain(`it saw another log of ${hidden.size} records`);
      expect(await witnesses.collect()).toBe(false);
      expect(alarms).toHaveLength(2);
      expect(server.requests.map((one) => one.split('\n', 1)[0])).toEqual([
        'old 0',
        'old 0',
        'old 12',
        'old 12',
      ]);
    },
  );

  test('a countersigned checkpoint of an earlier key is let go at the next start', async () => {
    const log = await openLog(directory.path, { limits });
    const server = await witness(log, 'w.example/1', 'ed25519');
    expect(await client(log, `${server.policyLine}quorum w.example-1\n`).witnesses.collect()).toBe(true);
    const note = log.witnessedCheckpoint() ?? '';
    await log.close();
    const file = join(directory.path, 'log/public/witnessed');
    const key = generateSigningKey();
    writeFileSync(file, signNote(note.slice(0, note.indexOf('\n\n') + 1), 'example.com/calls', key));
    mkdirSync(join(directory.path, 'log/public/keys'));
    writeFileSync(join(directory.path, 'log/public/keys/1'), '');
    const { notes, problems } = await verifyLog({ directory: join(directory.path, 'log'), vkey: log.vkey });
    expect(notes.join()).toContain('signed by an earlier key');
    expect(problems.filter((one) => one.file === 'public/witnessed')).toEqual([]);
    expect((await openedLog()).witnessedCheckpoint()).toBeUndefined();
    expect(existsSync(file)).toBe(false);
  });

  test('an answer that holds no cosignature of that witness is not published', async () => {
    const log = await openedLog();
    const [one, two] = [
      await witness(log, 'w.example/1', 'ed25519'),
      await witness(log, 'w.example/2', 'ed25519'),
    ];
    const swapped = `${one.policyLine.replace(one.url, two.url)}quorum w.example-1\n`;
    expect(await client(log, swapped).witnesses.collect()).toBe(false);
    expect(log.witnessedCheckpoint()).toBeUndefined();
  });

  test.each([
    ['ml-dsa-44', 'UNWITNESSED'],
    ['ed25519', 'INVALID'],
  ] as const)(
    'a cosignature without a time counts for nothing, and is no forgery where it may have none (%s)',
    async (algorithm, verdict) => {
      const log = await openedLog();
      const server = await witness(log, 'w.example/1', algorithm);
      server.dated = false;
      const body = `old 0\n\n${log.checkpoint()}`;
      const answer = await postWithin(5_000)(
        `${server.url}/add-checkpoint`,
        body,
        new AbortController().signal,
      );
      const trust = parseTrust(log.vkey, `${server.policyLine}quorum w.example-1\n`);
      expect(answer.status).toBe(200);
      expect(verifyFile(log.checkpoint() + answer.body, trust).verdict).toBe(verdict);
    },
  );

  test('a cosignature that was changed spoils the proof, one by a stranger is ignored (C2SP signed-note)', async () => {
    const log = await openedLog();
    const [one, two] = [
      await witness(log, 'w.example/1', 'ed25519'),
      await witness(log, 'w.example/2', 'ml-dsa-44'),
    ];
    const policy = `${one.policyLine}${two.policyLine}group both all w.example-1 w.example-2\nquorum both\n`;
    const [id = ''] = await written(log, answeredCall('c1'));
    expect(await client(log, policy).witnesses.collect()).toBe(true);
    const proof = await log.prove(id);
    const stranger = `${one.policyLine}quorum w.example-1\n`;
    expect(verifyFile(proof, parseTrust(log.vkey, stranger)).verdict).toBe('WITNESSED');
    const lines = proof.split('\n');
    for (const at of [lines.length - 2, lines.length - 3]) {
      const line = lines[at] ?? '';
      const bytes = Buffer.from(line.slice(line.lastIndexOf(' ') + 1), 'base64');
      bytes[40] = (bytes[40] ?? 0) ^ 1;
      const changed = lines
        .with(at, `${line.slice(0, line.lastIndexOf(' ') + 1)}${bytes.toString('base64')}`)
        .join('\n');
      expect(verifyFile(changed, parseTrust(log.vkey, policy)).verdict).toBe('INVALID');
    }
  });
});

test('a gateway with audit.witnesses.policy has its checkpoints countersigned, and none without a readable one', async () => {
  const started = async (...set: readonly string[]): Promise<Gateway> => {
    const config = loadConfig({
      overrides: [`dataDir=${directory.path}`, 'listen=udp://127.0.0.1:0', 'admin.listen=off', ...set],
    });
    const gateway = createGateway({ config, logger: silentLogger });
    await gateway.start();
    return gateway;
  };
  await (await started()).close();
  const published = join(directory.path, 'log/public');
  const vkey = readFileSync(join(published, 'vkey'), 'utf8').trim();
  const server = await WitnessServer.start('w.example/1', 'ml-dsa-44', vkey);
  closing.push(() => server.close());
  const file = join(directory.path, 'witnesses.policy');
  const policy = `${server.policyLine}quorum w.example-1\n`;
  writeFileSync(file, policy);
  const gateway = await started(`audit.witnesses.policy=${file}`, 'audit.witnesses.intervalMs=100');
  await expect.poll(() => existsSync(join(published, 'witnessed')), { timeout: 10_000 }).toBe(true);
  await gateway.close();
  const note = readFileSync(join(published, 'witnessed'), 'utf8');
  expect(verifyFile(note, parseTrust(vkey, policy))).toMatchObject({
    verdict: 'WITNESSED',
    about: 'checkpoint',
  });
  await expect(started('audit.witnesses.policy=/nowhere')).rejects.toThrow('audit.witnesses.policy');
});

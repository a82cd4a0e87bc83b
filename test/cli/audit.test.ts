import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeHex } from '../../src/base/index.ts';
import { parseWhen } from '../../src/cli/audit-access.ts';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { dataPaths } from '../../src/config/index.ts';
import { signCheckpoint } from '../../src/provenance/checkpoint.ts';
import { AuditLog, type RecordDraft } from '../../src/provenance/index.ts';
import {
  createIdentityToken,
  createIntentToken,
  generateSigningKey,
  type IntentRequest,
  type SigningKey,
} from '../../src/tokens/index.ts';
import { formatVkey, noteKey } from '../../src/verify/index.ts';
import { withoutRecord } from '../verify/proof-support.ts';
import { type CommandResult, jsonLines, runCli } from './recorded-terminal.ts';

const now = Math.floor(Date.now() / 1000);
const directory = mkdtempSync(join(tmpdir(), 'tibet-sip-cli-'));
const paths = dataPaths(join(directory, 'data'));
const checkpointKey = generateSigningKey();
let vkey = '';

function identity(subject: string): {
  readonly key: SigningKey;
  readonly fingerprint: string;
  readonly token: Uint8Array;
} {
  const key = generateSigningKey();
  const token = createIdentityToken({ key, subject, notBefore: now - 60, expires: now + 3600, now });
  return { key, fingerprint: token.fingerprint, token: token.bytes };
}
const [alice, bob, node] = [identity('jis:alice'), identity('jis:bob'), identity('sip:gateway@localhost')];

const callRecord = (
  event: string,
  phase: 'attempt' | 'answer' | 'close',
  more: object = {},
): RecordDraft => ({
  erin: { event, callId: 'abc@host', ...more },
  eraan: { parents: [] },
  eromheen: { transport: 'udp' },
  erachter: 'callback, ticket 4711',
  parties: [
    { fingerprint: alice.fingerprint, role: 'caller' },
    { fingerprint: bob.fingerprint, role: 'callee' },
  ],
  call: { id: 'call-1', phase },
});

beforeAll(async () => {
  const log = await AuditLog.open({
    directory: paths.log,
    indexDirectory: paths.index,
    checkpointKey,
    origin: 'localhost/test',
    nodeKey: node.key,
    nodeFingerprint: node.fingerprint,
    nodeToken: node.token,
  });
  log.append(callRecord('call.attempt', 'attempt'));
  log.append(callRecord('call.answer', 'answer', { status: 200 }));
  log.append(callRecord('call.end', 'close', { outcome: 'answered' }));
  log.append({
    erin: { event: 'registration.added' },
    eraan: { parents: [] },
    eromheen: {},
    erachter: '=SUM(A1), "quoted"\u001b[31m',
    parties: [{ fingerprint: bob.fingerprint, role: 'subject' }],
  });
  vkey = log.vkey;
  await log.close();
});
afterAll(() => rmSync(directory, { recursive: true }));

function cli(...args: readonly string[]): Promise<CommandResult> {
  return runCli([...args, '--data-dir', join(directory, 'data')]);
}

async function list(...filters: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { code, out, err } = await cli('audit', 'list', '--json', ...filters);
  expect(code, err).toBe(exitCodes.ok);
  return jsonLines(out);
}

const events = (records: readonly Readonly<Record<string, unknown>>[]): unknown[] =>
  records.map(({ event }) => event);

describe('audit list and show', () => {
  it('filters by identity, call, SIP Call-ID, event and time', async () => {
    expect(events(await list('--identity', alice.fingerprint))).toEqual([
      'call.attempt',
      'call.answer',
      'call.end',
    ]);
    expect(await list('--identity', bob.fingerprint)).toHaveLength(4);
    expect(await list('--call', 'call-1')).toHaveLength(3);
    expect(await list('--call', 'abc@host')).toHaveLength(3);
    expect(await list('--event', 'call.end')).toHaveLength(1);
    expect(await list('--since', '1h', '--event', 'call.end')).toHaveLength(1);
    expect(await list('--until', '1h')).toHaveLength(0);
    for (const wrong of ['yesterday', '2026-02-31', '2026', '5', '2026-01-01T25:00', '-5m', ''])
      expect((await cli('audit', 'list', '--since', wrong)).code, wrong).toBe(exitCodes.usage);
    for (const wrong of [
      ['--pseudonyms'],
      ['--after', ''],
      ['--limit', '0'],
      ['--call', ''],
      ['--identity', ''],
      ['--event', ''],
      ['--outcome', ' '],
      ['--intent', ''],
      ['--since', '1h', '--until', '2h'],
    ])
      expect((await cli('audit', 'list', ...wrong)).code, wrong.join()).toBe(exitCodes.usage);
  });

  it('takes times as UTC, as it shows them, in whatever zone the machine is', () => {
    const noon = Date.UTC(2026, 0, 31, 12);
    for (const text of [
      '2026-01-31T12:00:00Z',
      '2026-01-31T12:00',
      '2026-01-31 12:00:00.000',
      '2026-01-31T13:00+01:00',
    ])
      expect(parseWhen(text), text).toBe(noon);
    expect(parseWhen('2026-01-31')).toBe(Date.UTC(2026, 0, 31));
  });

  it('shows the newest in the order in which they happened', async () => {
    expect(events(await list('--limit', '2'))).toEqual(['call.end', 'registration.added']);
  });

  it('prints one line a record, with nothing that could move the cursor', async () => {
    const { out } = await cli('audit', 'list');
    expect(out.split('\n')).toHaveLength(6);
    expect(out).toContain('callback, ticket 4711');
    expect(out).not.toContain('\u001b');
  });

  it('shows all four layers by a prefix of the id', async () => {
    const [record] = await list('--event', 'call.end');
    const { code, out } = await cli('audit', 'show', String(record?.['id']).slice(0, 10));
    expect(code).toBe(exitCodes.ok);
    for (const layer of ['ERIN', 'ERAAN', 'EROMHEEN', 'ERACHTER']) expect(out).toContain(layer);
    expect((await cli('audit', 'show', 'zzzzzz')).code).toBe(exitCodes.notFound);
  });

  it('says where to look when there is no log', async () => {
    for (const command of [['list'], ['verify'], ['checkpoint'], ['show', 'x']]) {
      const { code, err } = await runCli(['audit', ...command, '--data-dir', join(directory, 'nowhere')]);
      expect(code).toBe(exitCodes.notFound);
      expect(err).toContain('--data-dir');
    }
  });
});

describe('audit export', () => {
  it('writes CSV that no spreadsheet runs as a formula (RFC 4180)', async () => {
    const { out } = await cli('audit', 'export', '--format', 'csv', '--event', 'registration.added');
    const [header, row] = out.split('\n');
    expect(header).toMatch(/^time,id,event,/);
    expect(row).toContain(`"'=SUM(A1), ""quoted""`);
  });

  it('writes TIBET tokens in the field names of the draft, hashed over canonical JSON (RFC 8785)', async () => {
    const { out } = await cli('audit', 'export', '--format', 'tibet', '--event', 'call.answer');
    const [token] = jsonLines(out);
    const [attempt] = await list('--event', 'call.attempt');
    expect(token).toMatchObject({
      type: 'response',
      actor: alice.fingerprint,
      parent_id: attempt?.['id'],
    });
    expect(token?.['hash']).toMatch(/^sha256:[0-9a-f]{64}$/);
    for (const layer of ['erin', 'eraan', 'eromheen', 'erachter']) expect(token).toHaveProperty(layer);
  });

  it('writes one vCon a call, with the records and the file that proves them (draft-ietf-vcon-vcon-core-04)', async () => {
    const { out, err } = await cli('audit', 'export', '--format', 'vcon', '--outcome', 'answered');
    const [vcon, ...more] = jsonLines(out);
    expect(more, err).toEqual([]);
    expect(vcon).toMatchObject({
      vcon: '0.4.0',
      subject: 'callback, ticket 4711',
      parties: [{ uuid: alice.fingerprint }, { uuid: bob.fingerprint }, { uuid: node.fingerprint }],
      dialog: [{ type: 'recording-set', recordings: [], parties: [0, 1] }],
      attachments: [
        { purpose: 'tibet-records', encoding: 'json', party: 2 },
        { purpose: 'tlog-proof', encoding: 'none' },
      ],
    });
    expect(vcon?.['uuid']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const attachments = (vcon?.['attachments'] ?? []) as readonly { readonly body: string }[];
    const file = join(directory, 'from-vcon.tlog-proof');
    writeFileSync(file, attachments[1]?.body ?? '');
    expect((await runCli(['audit', 'verify', file, '--vkey', vkey])).code).toBe(exitCodes.unwitnessed);
  });

  it('tells a call as a story, page by page lists what follows a place, and follows what comes', async () => {
    const { out } = await cli('audit', 'story', 'call-1');
    expect(out.split('\n')).toHaveLength(3);
    expect(out).toContain('declaring “callback, ticket 4711”');
    expect((await cli('audit', 'story', 'nothing')).code).toBe(exitCodes.notFound);
    const [first, second] = [
      await list('--after', '0', '--limit', '2'),
      await list('--after', '2', '--limit', '2'),
    ];
    expect([...first, ...second].map(({ position }) => position)).toEqual([1, 2, 3, 4]);
    expect((await list('--outcome', 'answered')).map(({ event }) => event)).toEqual(['call.end']);
    expect((await list('--intent', 'TICKET 4711')).map(({ event }) => event)).toEqual(['call.attempt']);
  });

  it('writes a file, and never over one', async () => {
    const file = join(directory, 'export.jsonl');
    expect((await cli('audit', 'export', '--out', file)).code).toBe(exitCodes.ok);
    expect(jsonLines(readFileSync(file, 'utf8'))).toHaveLength(5);
    expect((await cli('audit', 'export', '--out', file)).code).toBe(exitCodes.conflict);
  });
});

describe('audit verify, prove and compare', () => {
  it('accepts the whole log with the key that the auditor trusts', async () => {
    const { code, out } = await cli('audit', 'verify', '--vkey', vkey, '--json');
    expect(code).toBe(exitCodes.ok);
    expect(JSON.parse(out)).toMatchObject({ valid: true, size: 5, openCalls: 0 });
  });

  it('refuses a log of another key', async () => {
    const other = 'localhost/other+00000000+AAAA';
    expect((await cli('audit', 'verify', '--vkey', other)).code).not.toBe(exitCodes.ok);
  });

  it('proves one record in one file, with or without what it says', async () => {
    const [record] = await list('--event', 'call.attempt');
    const id = String(record?.['id']);
    const file = join(directory, 'call.tlog-proof');
    expect((await cli('audit', 'prove', id, '--out', file)).code).toBe(exitCodes.ok);
    const checked = await runCli(['audit', 'verify', file, '--vkey', vkey, '--json']);
    expect(checked.code, checked.err).toBe(exitCodes.unwitnessed);
    expect(JSON.parse(checked.out)).toMatchObject({
      verdict: 'UNWITNESSED',
      records: [{ id, opened: { intent: 'callback, ticket 4711' } }],
    });

    const withheld = await cli('audit', 'prove', id, '--no-layers');
    expect(withheld.out).not.toContain('ticket');
    writeFileSync(file, withheld.out.concat('\n'));
    const { code, out } = await runCli(['audit', 'verify', file, '--vkey', vkey]);
    expect(code).toBe(exitCodes.redacted);
    expect(out).toContain('does not say what record');

    writeFileSync(file, withheld.out.replace(/index \d+/, 'index 2'));
    expect((await runCli(['audit', 'verify', file, '--vkey', vkey])).code).toBe(exitCodes.refused);
  });

  it('proves a whole call, says in words what is proved and what never can be, and sees what is missing', async () => {
    const file = join(directory, 'whole.tlog-proof');
    const { code, err } = await cli('audit', 'prove', '--call', 'abc@host', '--out', file);
    expect(code, err).toBe(exitCodes.ok);
    const { out } = await runCli(['audit', 'verify', file, '--vkey', vkey]);
    for (const part of [
      'What happened:',
      'Proved:',
      'All 3 records of the call',
      'Never provable:',
      'stolen, unlocked phone',
    ])
      expect(out).toContain(part);
    writeFileSync(file, withoutRecord(readFileSync(file, 'utf8'), 1));
    expect((await runCli(['audit', 'verify', file, '--vkey', vkey])).code).toBe(exitCodes.gap);
    expect((await cli('audit', 'prove')).code).toBe(exitCodes.usage);
    expect((await runCli(['audit', 'verify', file])).code).toBe(exitCodes.usage);
    expect((await runCli(['audit', 'verify', '/nowhere', '--vkey', vkey])).code).toBe(exitCodes.notFound);
  });

  it('checks a published log by directory and by URL, down to one flipped byte', async () => {
    const published = join(paths.log, 'public');
    const server = createServer((request, response) => {
      const path = join(published, request.url ?? '');
      if (!existsSync(path)) response.writeHead(404).end();
      else response.end(readFileSync(path));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    try {
      for (const target of [published, url]) {
        const { code, out } = await runCli(['audit', 'verify', target, '--vkey', vkey, '--json']);
        expect(code).toBe(exitCodes.unwitnessed);
        expect(JSON.parse(out)).toMatchObject({ verdict: 'UNWITNESSED', valid: true, size: 5 });
      }
      const file = join(published, 'tile/0/000.p/5');
      const before = readFileSync(file);
      writeFileSync(file, Buffer.concat([before.subarray(1), before.subarray(0, 1)]));
      const { code, out } = await runCli(['audit', 'verify', url, '--vkey', vkey]);
      writeFileSync(file, before);
      expect(code).toBe(exitCodes.refused);
      expect(out).toContain('tile/0/000.p/5');
    } finally {
      server.close();
    }
    expect((await runCli(['audit', 'verify', url, '--vkey', vkey])).code).toBe(exitCodes.unavailable);
  });

  it('compares a kept checkpoint with the log, and refuses what does not go on from it', async () => {
    const kept = join(directory, 'kept.txt');
    writeFileSync(kept, `${(await cli('audit', 'checkpoint')).out}\n`);
    const evidence = join(directory, 'consistent.json');
    const same = await cli('audit', 'compare', kept, '--vkey', vkey, '--out', evidence);
    expect(same.code, same.err).toBe(exitCodes.ok);
    expect(same.out).toContain('begins with the very 5 records');
    expect((await runCli(['audit', 'verify', evidence, '--vkey', vkey])).code).toBe(exitCodes.unwitnessed);
    const note = signCheckpoint(
      { origin: 'localhost/test', size: 4, root: new Uint8Array(32) },
      checkpointKey,
    );
    writeFileSync(kept, note);
    const fork = join(directory, 'fork.json');
    const forked = await cli('audit', 'compare', kept, '--vkey', vkey, '--out', fork);
    expect(forked.code).toBe(exitCodes.refused);
    const shown = await runCli(['audit', 'verify', fork, '--vkey', vkey]);
    expect(shown.code).toBe(exitCodes.refused);
    expect(shown.out).toContain('signed two histories');
  });

  it('names the file that was changed, and ends with its own exit code', async () => {
    const file = join(paths.log, 'openings', '000');
    const before = readFileSync(file);
    const flipped = Buffer.from(before);
    flipped[100] = (flipped[100] ?? 0) ^ 1;
    writeFileSync(file, flipped);
    const { code, out } = await cli('audit', 'verify', '--vkey', vkey);
    writeFileSync(file, before);
    expect(code).toBe(exitCodes.refused);
    expect(out).toContain('openings/000');
    appendFileSync(join(paths.log, 'stray'), 'x');
    expect((await cli('audit', 'verify', '--vkey', vkey)).code).toBe(exitCodes.refused);
    rmSync(join(paths.log, 'stray'));
  });

  it('prints checkpoint and verifier key to be kept elsewhere', async () => {
    const { out } = await cli('audit', 'checkpoint');
    expect(out.split('\n')[0]).toBe(vkey);
    expect(out).toContain('\nlocalhost/test\n5\n');
  });
});

describe('audit verify-token', () => {
  const request: IntentRequest = {
    method: 'INVITE',
    fromUri: 'sip:alice@localhost',
    fromTag: 'a1',
    toUri: 'sip:bob@localhost',
    toTag: undefined,
    callId: 'abc@host',
    cseq: 1,
    contact: undefined,
    dtlsFingerprints: [],
  };
  const token = createIntentToken({
    signer: { key: alice.key, fingerprint: alice.fingerprint },
    audience: 'localhost',
    iat: now,
    exp: now + 60,
    cti: new Uint8Array(16),
    request,
    callee: { fingerprint: bob.fingerprint },
    intent: { code: 'voice', text: 'callback, ticket 4711' },
    parents: [],
    assurance: 3,
  });
  const invite = (subject: string, from = 'sip:alice@localhost'): string =>
    [
      'INVITE sip:bob@127.0.0.1:5080 SIP/2.0',
      'Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1',
      `From: <${from}>;tag=a1`,
      'To: <sip:bob@localhost>',
      'Call-ID: abc@host',
      'CSeq: 1 INVITE',
      `Intent-Token: ${subject}`,
      'Content-Length: 0',
      '',
      '',
    ].join('\n');

  it('checks the signature with the public key alone', async () => {
    const { code, out } = await runCli([
      'audit',
      'verify-token',
      token,
      '--key',
      encodeHex(alice.key.publicKey),
      '--json',
    ]);
    expect(code).toBe(exitCodes.ok);
    expect(JSON.parse(out)).toMatchObject({
      signatureValid: true,
      signer: alice.fingerprint,
      assurance: 3,
      intent: { text: 'callback, ticket 4711' },
    });
    const wrong = await runCli([
      'audit',
      'verify-token',
      `Intent-Token: ${token}`,
      '--key',
      encodeHex(bob.key.publicKey),
    ]);
    expect(wrong.code).toBe(exitCodes.refused);
  });

  it('checks that the token belongs to a request as it arrived, whatever a proxy changed lawfully', async () => {
    const file = join(directory, 'invite.txt');
    const key = ['--key', encodeHex(alice.key.publicKey)];
    writeFileSync(file, invite(token));
    const fits = await runCli(['audit', 'verify-token', '--request', file, ...key]);
    expect(fits.code, fits.err).toBe(exitCodes.ok);
    writeFileSync(file, invite(token, 'sip:mallory@localhost'));
    const forged = await runCli(['audit', 'verify-token', '--request', file, ...key]);
    expect(forged.code).toBe(exitCodes.refused);
    expect(forged.err).toContain('From, To, Call-ID or CSeq');
  });

  it('says what is missing', async () => {
    expect((await runCli(['audit', 'verify-token'])).code).toBe(exitCodes.usage);
    expect((await runCli(['audit', 'verify-token', 'AAAA'])).code).toBe(exitCodes.refused);
    const { code, err } = await cli('audit', 'verify-token', token);
    expect(code).toBe(exitCodes.notFound);
    expect(err).toContain('--key');
  });
});

describe('audit verify of whatever somebody was given', () => {
  const at = (name: string): string => join(directory, name);
  const wrongKey = formatVkey(noteKey('localhost/test', 'ed25519', alice.key.publicKey));

  it('says without a key what holds, what nobody vouches for, and what to do next', async () => {
    expect((await cli('audit', 'prove', '--call', 'call-1', '--out', at('bare.tlog-proof'))).code).toBe(0);
    const { code, out, err } = await runCli(['audit', 'verify', at('bare.tlog-proof')]);
    expect(code).toBe(exitCodes.usage);
    expect(out).toMatch(/^UNCHECKED {2}Nothing says whose log this is/);
    expect(out).toMatch(/ {2}open {3}Signed by the operator: Not checked/);
    expect(out).toMatch(/ {2}holds {2}In the log: /);
    expect(out).not.toContain('What happened');
    expect(err).toMatch(/UNCHECKED: .*--vkey/);
  });

  it('takes for the key a file that audit checkpoint was written to, twice', async () => {
    const kept = (await cli('audit', 'checkpoint')).out;
    writeFileSync(at('kept.txt'), `${kept}\n${kept}\n`);
    for (const target of [at('bare.tlog-proof'), at('kept.txt'), at('data'), join(paths.log, 'public')])
      expect(await runCli(['audit', 'verify', target, '--vkey', at('kept.txt')]), target).toMatchObject({
        code: exitCodes.unwitnessed,
      });
  });

  it('tells a log that was changed from one that is not there, or not this key’s', async () => {
    const server = createServer((_, response) => response.writeHead(404).end());
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const none = await runCli(['audit', 'verify', url, '--vkey', vkey]);
    await new Promise((closed) => server.close(closed));
    expect(none).toMatchObject({ code: exitCodes.notFound });
    const address = await runCli(['audit', 'verify', 'http://[::bad', '--vkey', vkey]);
    expect(address).toMatchObject({ code: exitCodes.usage });
    const older = await runCli(['audit', 'compare', at('kept.txt'), at('data'), '--vkey', wrongKey]);
    expect(older).toMatchObject({ code: exitCodes.refused });
    expect(older.out).toMatch(/^INVALID {2}The key that you gave has not signed/);
  });

  it('says which file cannot be read, and what is wrong with a policy, each by itself', async () => {
    const verify = (...more: readonly string[]): ReturnType<typeof runCli> =>
      runCli(['audit', 'verify', at('kept.txt'), '--vkey', vkey, ...more]);
    for (const option of ['--vkey', '--policy', '--receipts', '--hand-over']) {
      const { code, err } = await verify(option, directory);
      expect([code, err.trim()]).toEqual([exitCodes.storage, `tibet-sip: is a directory: ${directory}`]);
    }
    const { code, err } = await verify('--policy', at('kept.txt'));
    expect(code).toBe(exitCodes.usage);
    expect(err.trim()).toMatch(/line 1 of the policy: .* is none of log, witness, group, quorum$/);
  });

  it.each([
    ['a directory', (path: string): void => mkdirSync(path)],
    ['a device without end', (path: string): void => symlinkSync('/dev/zero', path)],
    ['a pipe', (path: string): unknown => execFileSync('mkfifo', [path])],
    ['a link to itself', (path: string): void => symlinkSync(path, path)],
    ['larger than any file', (path: string): void => writeFileSync(path, '')],
  ])('comes to a verdict on a log in which %s stands for a file', async (what, put) => {
    const [entries = ''] = readdirSync(join(paths.log, 'public/tile/entries/000.p'));
    for (const file of [
      'openings/000',
      `public/tile/entries/000.p/${entries}`,
      'public/checkpoint',
      'party-keys',
    ]) {
      const log = join(mkdtempSync(at('handed-over-')), 'log');
      cpSync(paths.log, log, { recursive: true });
      const path = join(log, file);
      expect(existsSync(path), file).toBe(true);
      rmSync(path);
      put(path);
      if (what.startsWith('larger')) truncateSync(path, 2 ** 31);
      for (const target of file.startsWith('public') ? [log, join(log, 'public')] : [log]) {
        const { code, err } = await runCli(['audit', 'verify', target, '--vkey', vkey]);
        expect([exitCodes.refused, exitCodes.notFound], `${file}: ${err}`).toContain(code);
      }
    }
  });

  it('reads no file without end, and says so in one line', async () => {
    const { code, err } = await runCli(['audit', 'verify', '/dev/zero', '--vkey', vkey]);
    expect(code).toBe(exitCodes.refused);
    expect(err).toMatch(/^tibet-sip: \/dev\/zero is larger than/);
  });
});

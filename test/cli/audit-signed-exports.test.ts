import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { dataPaths } from '../../src/config/index.ts';
import { AuditLog, openingLabel } from '../../src/provenance/index.ts';
import { decodeCoseSign1, saveIdentity, verifySignature } from '../../src/tokens/index.ts';
import {
  checkSignedIntent,
  type IntentRecord,
  type Layer,
  openPayload,
  parseTrust,
  type SignedIntent,
  verifyFile,
} from '../../src/verify/index.ts';
import { attempt, settled } from '../provenance/support/test-log.ts';
import { person, signedCall } from '../verify/signed-call.ts';
import { jsonLines, runCli } from './recorded-terminal.ts';

// Exports leave the gateway: who reads them must be able to tell who signed for a call, with nothing else in hands.

const directory = mkdtempSync(join(tmpdir(), 'tibet-sip-exports-'));
const paths = dataPaths(directory);
const [alice, bob, gateway, log] = [
  person('jis:alice'),
  person('jis:bob'),
  person('jis:gateway'),
  person('jis:log'),
];
let vkey = '';

beforeAll(async () => {
  mkdirSync(dirname(paths.gatewayKey));
  await saveIdentity(paths.gatewayKey, gateway);
  await saveIdentity(paths.checkpointKey, log);
  const open = await openLog();
  for (const draft of signedCall('c1', alice, bob, 'callback, ticket 4711')) open.append(draft);
  await settled(open.append(attempt('still going on')));
  vkey = open.vkey;
  await open.close();
});
afterAll(() => rmSync(directory, { recursive: true }));

function openLog(): Promise<AuditLog> {
  return AuditLog.open({
    directory: paths.log,
    indexDirectory: paths.index,
    checkpointKey: log.key,
    origin: 'localhost/test',
    nodeKey: gateway.key,
    nodeFingerprint: gateway.token.fingerprint,
    nodeToken: gateway.token.bytes,
  });
}

async function exported(format: string, ...more: readonly string[]): Promise<readonly Layer[]> {
  const { code, out, err } = await runCli([
    'audit',
    'export',
    '--format',
    format,
    '--data-dir',
    directory,
    ...more,
  ]);
  expect(code, err).toBe(exitCodes.ok);
  return jsonLines(out);
}

/** From JSON alone; `eraan` is one list in a TIBET token. */
function signerOf(json: Layer, signed: unknown): SignedIntent | undefined {
  const eraan = Array.isArray(json['eraan']) ? { tokens: json['eraan'] } : layer(json['eraan']);
  const { token, signer, leg } = layer(signed);
  const core: readonly unknown[] = Array.isArray(signer) ? signer : [];
  const record: IntentRecord = {
    erin: layer(json['erin']),
    eraan,
    intent: String(json['erachter']),
    erachter: {
      signed: { token: bytes(token), signer: [...core.slice(0, 4), ...core.slice(4).map(bytes)], leg },
    },
    parties: [{ role: 'caller', fingerprint: alice.token.fingerprint }],
  };
  return checkSignedIntent(record);
}

function layer(value: unknown): Layer {
  return { ...Object(value) } as Layer;
}

function bytes(value: unknown): Uint8Array {
  return new Uint8Array(Buffer.from(String(value), 'base64url'));
}

const byAlice = { by: 'caller', name: 'jis:alice', intent: 'callback, ticket 4711', forThisCall: true };

describe('property 6 (call-bound): from an export alone it can be told who signed for a call', () => {
  it('JSON lines and TIBET tokens carry what was signed, and not of a record that has nothing signed', async () => {
    const [record, ringing] = await exported('jsonl', '--call', 'c1');
    expect(signerOf(record ?? {}, record?.['signed'])).toMatchObject(byAlice);
    expect(ringing).not.toHaveProperty('signed');
    const [token, next] = await exported('tibet', '--call', 'c1');
    expect(signerOf(token ?? {}, token?.['intent_token'])).toMatchObject(byAlice);
    expect(next).not.toHaveProperty('intent_token');
    const changed = { ...token, erachter: 'something else' };
    expect(() => signerOf(changed, token?.['intent_token'])).toThrow(/declares something else/);
  });

  it('a vCon carries the records and the proof file that says so; a call that goes on is none yet', async () => {
    const [vcon, ...more] = await exported('vcon');
    expect(more).toEqual([]);
    const [records, proof] = (vcon?.['attachments'] ?? []) as readonly { readonly body: never }[];
    const [record] = (records?.body ?? []) as readonly Layer[];
    expect(signerOf(record ?? {}, record?.['signed'])).toMatchObject(byAlice);
    const { checks } = verifyFile(proof?.body ?? '', parseTrust(vkey));
    expect(checks).toContainEqual(expect.objectContaining({ name: 'Signed intent', ok: true }));
  });

  it('a SCITT statement carries the opening unprotected, and none with --no-layers', async () => {
    const [shown, silent] = [join(directory, 'shown.cbor'), join(directory, 'silent.cbor')];
    const only = ['--event', 'call.attempt', '--call', 'c1'];
    await exported('scitt', ...only, '--out', shown);
    await exported('scitt', ...only, '--out', silent, '--no-layers');
    const { payload, unprotectedMap } = decodeCoseSign1(readFileSync(shown));
    const opening = unprotectedMap.get(openingLabel);
    if (!payload || !(opening instanceof Uint8Array)) throw new Error('no opening');
    const opened = openPayload(payload, opening);
    expect(opened).toMatchObject({ event: 'call.attempt', erased: [] });
    expect(checkSignedIntent(opened)).toMatchObject(byAlice);
    expect([...decodeCoseSign1(readFileSync(silent)).unprotectedMap.keys()]).toEqual([394]);
    expect((await runCli(['audit', 'export', '--no-layers', '--data-dir', directory])).code).toBe(
      exitCodes.usage,
    );
  });

  it('TIBET tokens are signed by the gateway where its key is at hand, and say so by leaving it out where it is not', async () => {
    const [signed] = await exported('tibet', '--call', 'c1');
    const { hash, signature } = signed ?? {};
    const { publicKey } = gateway.token;
    expect(verifySignature(publicKey, Buffer.from(String(hash)), bytes(signature))).toBe(true);
    const key = readFileSync(paths.gatewayKey);
    rmSync(paths.gatewayKey);
    const [unsigned] = await exported('tibet', '--call', 'c1');
    expect(unsigned).not.toHaveProperty('signature');
    expect(unsigned?.['hash']).toBe(hash);
    writeFileSync(paths.gatewayKey, key, { mode: 0o600 });
  });

  it('an export that fails leaves no half of itself behind', async () => {
    const file = join(directory, 'half.cbor');
    const key = readFileSync(paths.gatewayKey);
    rmSync(paths.gatewayKey);
    const args = ['audit', 'export', '--format', 'scitt', '--out', file, '--data-dir', directory];
    expect((await runCli(args)).code).toBe(exitCodes.notFound);
    expect(existsSync(file)).toBe(false);
    writeFileSync(paths.gatewayKey, key, { mode: 0o600 });
    expect((await runCli(args)).code).toBe(exitCodes.ok);
    expect((await runCli(args)).code).toBe(exitCodes.conflict);
    expect(existsSync(file)).toBe(true);
  });
});

it('whoever was called is not taken for the one who called and was erased', async () => {
  const open = await openLog();
  await open.erase(alice.token.fingerprint, 'letter 17');
  await open.close();
  const [token] = await exported('tibet', '--call', 'c1');
  expect(token).toMatchObject({ actor: 'erased', erachter: 'erased' });
  expect(token).not.toHaveProperty('intent_token');
  expect(JSON.stringify(token)).not.toContain('jis:alice');
  const { out } = await runCli(['audit', 'list', '--call', 'c1', '--data-dir', directory]);
  expect(out).toContain('erased -> jis:bob');
  expect(out).not.toContain('alice');
});

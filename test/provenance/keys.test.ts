import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatVkey, handOver, type LogVerdict, verifyLog } from '../../src/provenance/index.ts';
import { fingerprintOf, generateSigningKey, type SigningKey } from '../../src/tokens/index.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import {
  checkpointKey,
  draft,
  nodeFingerprint,
  openLog,
  origin,
  scratch,
  settled,
} from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
let disk: SimulatedDisk;
beforeEach(() => {
  directory = scratch();
  disk = new SimulatedDisk();
});
afterEach(() => directory.dispose());

const vkeyOf = ({ publicKey }: SigningKey): string => formatVkey({ name: origin, publicKey });
const verify = (vkey: string, storage = disk): Promise<LogVerdict> =>
  verifyLog({ directory: '', storage, vkey });

/** A run of the gateway under these keys that logs one record, and what else is given. */
async function run(key: SigningKey, ...more: Parameters<typeof draft>[]): Promise<void> {
  const node = generateSigningKey();
  const nodes = { nodeKey: node, nodeFingerprint: fingerprintOf(node.publicKey) };
  const log = await openLog(directory.path, { storage: disk, checkpointKey: key, ...nodes });
  await settled(log.append(draft('a record')));
  for (const one of more) await settled(log.append(draft(...one)));
  await log.close();
}

async function rotate(
  oldKey: SigningKey,
  newKey: SigningKey,
  reason: 'rotated' | 'compromised',
): Promise<void> {
  await run(oldKey, [
    'audit.key-succession',
    { erin: { event: 'audit.key-succession', to: vkeyOf(newKey) }, parties: [] },
  ]);
  await handOver({ storage: disk, origin, oldKey, newKey, reason });
}

describe('property 15 (key agility): the log’s key', () => {
  test.each(['rotated', 'compromised'] as const)(
    '%s: history verifies under the first key that an auditor trusted, and under the newest',
    async (reason) => {
      const [second, third] = [generateSigningKey(), generateSigningKey()];
      await run(checkpointKey);
      await rotate(checkpointKey, second, reason);
      for (const key of [checkpointKey, second])
        expect(await verify(vkeyOf(key))).toMatchObject({ valid: true, problems: [] });
      await run(second);
      await rotate(second, third, reason);
      await run(third);
      for (const key of [checkpointKey, second, third])
        expect(await verify(vkeyOf(key))).toMatchObject({ valid: true, vkey: vkeyOf(third) });
      // What the old key signs from now on leads nowhere.
      await expect(openLog(directory.path, { storage: disk, checkpointKey: second })).rejects.toMatchObject({
        code: 'note-signature',
      });
      expect((await verify(vkeyOf(generateSigningKey()))).valid).toBe(false);
    },
  );

  test('a hand-over that the log does not record, or that one of the keys has not signed, is a problem', async () => {
    const [second, thief] = [generateSigningKey(), generateSigningKey()];
    await run(checkpointKey);
    await handOver({ storage: disk, origin, oldKey: checkpointKey, newKey: thief, reason: 'rotated' });
    expect((await verify(vkeyOf(checkpointKey))).problems).toContainEqual(
      expect.objectContaining({ kind: 'vkey', message: expect.stringContaining('no record') }),
    );
    const other = scratch();
    directory.dispose();
    directory = other;
    disk = new SimulatedDisk();
    await run(checkpointKey);
    await rotate(checkpointKey, second, 'rotated');
    disk.tamper('public/keys/1', (bytes) => Buffer.from(bytes.toString().replace('rotated', 'compromised')));
    expect((await verify(vkeyOf(checkpointKey))).valid).toBe(false);
  });

  test('a crash at any step of a hand-over leaves a log that one of the two keys opens, and it can be repeated', async () => {
    const second = generateSigningKey();
    for (let step = 1; ; step++) {
      directory.dispose();
      directory = scratch();
      disk = new SimulatedDisk();
      await run(checkpointKey, [
        'audit.key-succession',
        { erin: { event: 'audit.key-succession', to: vkeyOf(second) }, parties: [] },
      ]);
      disk.crashAt = disk.operations + step;
      const whole = await handOver({
        storage: disk,
        origin,
        oldKey: checkpointKey,
        newKey: second,
        reason: 'compromised',
      }).then(
        () => true,
        () => false,
      );
      disk = disk.afterKill();
      await disk.remove('tmp');
      await handOver({ storage: disk, origin, oldKey: checkpointKey, newKey: second, reason: 'compromised' });
      await run(second);
      expect((await verify(vkeyOf(checkpointKey))).problems, `step ${step}`).toEqual([]);
      if (whole) return;
    }
  });
});

describe('property 15 (key agility): a node’s key', () => {
  test('is new at every start; what a revoked one signs later is a problem, what it signed before is not', async () => {
    const revocation = (node: string): Parameters<typeof draft> => [
      'audit.node-revocation',
      { erin: { event: 'audit.node-revocation', node }, parties: [] },
    ];
    const first = await openLog(directory.path, { storage: disk });
    await settled(first.append(draft('before')));
    await first.close();
    await run(checkpointKey, revocation(nodeFingerprint));
    expect(await verify(vkeyOf(checkpointKey))).toMatchObject({ valid: true, problems: [] });
    // Whoever stole the node's key goes on signing with it.
    const thief = await openLog(directory.path, { storage: disk });
    await settled(thief.append(draft('after')));
    await thief.close();
    const { problems } = await verify(vkeyOf(checkpointKey));
    expect(problems.map(({ kind, record }) => [kind, record])).toEqual([
      ['receipt', 5],
      ['receipt', 6],
    ]);
  });

  test('each record names the hash of the software and the node token under which it was made', async () => {
    const hash = 'ab'.repeat(32);
    const log = await openLog(directory.path, { storage: disk, software: { name: 'x', version: '1', hash } });
    const written = log.append(draft('x'));
    await settled(written);
    expect((await log.get(written.id))?.eromheen).toMatchObject({
      softwareHash: hash,
      node: nodeFingerprint,
    });
    await log.close();
  });
});

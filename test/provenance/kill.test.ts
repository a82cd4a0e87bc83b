import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { verifyLog } from '../../src/provenance/index.ts';
import { closing, collect, openLog, scratch, settled } from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
beforeEach(() => {
  directory = scratch();
});
afterEach(() => directory.dispose());

/** Runs a writer until it has reported `count` durable records, then kills it; gives all ids it reported. */
async function killedAfter(count: number): Promise<readonly string[]> {
  const script = join(import.meta.dirname, 'support', 'killed-writer.ts');
  const child = spawn(process.execPath, [script, directory.path], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    if (said.split('\n').length > count) child.kill('SIGKILL');
  });
  const exited = once(child, 'close');
  await exited;
  return said.slice(0, said.lastIndexOf('\n')).split('\n');
}

test('kill -9 of a real process under load: acknowledged records survive, each attempt gets its closing record', async () => {
  const acknowledged: string[] = [];
  for (const count of [1, 120, 700, 1500]) {
    acknowledged.push(...(await killedAfter(count)));
    const log = await openLog(directory.path);
    for (const { id } of log.openCalls()) await settled(log.append(closing(id)));
    await log.close();
    const verdict = await verifyLog({ directory: join(directory.path, 'log'), vkey: log.vkey });
    expect(verdict).toMatchObject({ valid: true, openCalls: 0, journaled: 0, problems: [] });
  }
  const log = await openLog(directory.path);
  const records = await collect(log.query());
  await log.close();
  const ids = new Set(records.map(({ id }) => id));
  expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
  const phases = Map.groupBy(
    records.filter(({ call }) => call),
    ({ call }) => call?.id,
  );
  for (const ofCall of phases.values())
    expect(ofCall.map(({ call }) => call?.phase)).toEqual(['attempt', 'close']);
  expect(acknowledged.length).toBeGreaterThan(2300);
}, 30_000);

test('the lock dies with the process that held it', async () => {
  await killedAfter(5);
  const log = await openLog(directory.path);
  await log.close();
});

import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditLog } from '../../src/provenance/index.ts';
import { collect, draft, openLog, settled } from '../provenance/support/test-log.ts';
import { answeredCall } from './proof-support.ts';

/** Checkpoints at once: nobody wants to wait for them here. */
export const limits = { checkpointDelayMs: 1 };

/** Writes records and waits until a checkpoint covers them all. */
export async function written(
  log: AuditLog,
  drafts: readonly Parameters<AuditLog['append']>[0][],
): Promise<readonly string[]> {
  const results = drafts.map((one) => log.append(one));
  await Promise.all(results.map(settled));
  const [newest] = await collect(log.query({ limit: 1, newestFirst: true }));
  const deadline = Date.now() + 10_000;
  while (log.size <= (newest?.position ?? 0)) {
    if (Date.now() > deadline) throw new Error('no checkpoint covers the records');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return results.map(({ id }) => id);
}

/** One log, continued in two ways from the same beginning: what an operator does who has something to hide. */
export async function forkedLogs(
  directory: string,
): Promise<{ readonly shown: AuditLog; readonly hidden: AuditLog }> {
  const first = await openLog(directory, { limits });
  await written(first, [draft('shared')]);
  await first.close();
  const copy = join(directory, 'copy');
  mkdirSync(copy);
  cpSync(join(directory, 'log'), join(copy, 'log'), { recursive: true });
  const shown = await openLog(directory, { limits });
  await written(shown, answeredCall('c1'));
  const hidden = await openLog(copy, { limits });
  await written(
    hidden,
    Array.from({ length: 9 }, (_, at) => draft(`other ${at}`)),
  );
  return { shown, hidden };
}

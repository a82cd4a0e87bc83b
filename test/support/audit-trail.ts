import { join } from 'node:path';
import {
  type LogVerdict,
  openAuditReader,
  type StoredRecord,
  verifyLog,
} from '../../src/provenance/index.ts';

/** Every record of a data directory's log in order, beside a running gateway or without one. */
export async function readTrail(dataDir: string): Promise<readonly StoredRecord[]> {
  const reader = await openAuditReader({
    directory: join(dataDir, 'log'),
    indexDirectory: join(dataDir, 'index'),
  });
  try {
    return await Array.fromAsync(reader.query());
  } finally {
    await reader.close();
  }
}

/** The checkpoint that is on disk now: origin, size and root on its first three lines. */
export async function readCheckpoint(dataDir: string): Promise<string> {
  const reader = await openAuditReader({
    directory: join(dataDir, 'log'),
    indexDirectory: join(dataDir, 'no-index'),
  });
  const checkpoint = await reader.checkpoint();
  await reader.close();
  return checkpoint;
}

export function verifyTrail(dataDir: string): Promise<LogVerdict> {
  return verifyLog({ directory: join(dataDir, 'log') });
}

/** The records of each call, by the gateway's id of it. */
export function callChains(
  trail: readonly StoredRecord[],
): ReadonlyMap<string, readonly [StoredRecord, ...StoredRecord[]]> {
  const chains = new Map<string, [StoredRecord, ...StoredRecord[]]>();
  for (const record of trail) {
    const id = record.call?.id;
    if (id === undefined) continue;
    const chain = chains.get(id);
    if (chain === undefined) chains.set(id, [record]);
    else chain.push(record);
  }
  return chains;
}

/** The events of each call in order, such as `attempt ringing answer end`, with how often each story occurs. */
export function callStories(trail: readonly StoredRecord[]): Readonly<Record<string, number>> {
  const stories: Record<string, number> = {};
  for (const chain of callChains(trail).values()) {
    const story = chain.map(({ event }) => event.replace('call.', '')).join(' ');
    stories[story] = (stories[story] ?? 0) + 1;
  }
  return stories;
}

/**
 * What is wrong with the calls of a log: each must begin with its only attempt, end with its only closing record,
 * rest on the record before at each step and fill all four layers.
 */
export function chainFaults(trail: readonly StoredRecord[]): readonly string[] {
  return [...callChains(trail)].flatMap(([id, chain]) => {
    const phases = chain.map(({ call }) => call?.phase);
    const faults: string[] = [];
    if (phases[0] !== 'attempt' || phases.lastIndexOf('attempt') !== 0) faults.push('not one attempt first');
    if (phases.indexOf('close') !== phases.length - 1) faults.push('not one closing record last');
    chain.forEach((record, at) => {
      const before = chain[at - 1];
      if (before !== undefined && record.eraan['previous'] !== before.id)
        faults.push(`${record.event} does not rest on ${before.event}`);
      if (record.erachter === '') faults.push(`${record.event} has no intent`);
      if (record.eromheen['software'] === undefined) faults.push(`${record.event} names no software`);
    });
    return faults.map((fault) => `${id}: ${fault} (${phases.join(' ')})`);
  });
}

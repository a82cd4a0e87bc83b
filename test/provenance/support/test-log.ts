import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeBase32, type Random } from '../../../src/base/index.ts';
import {
  type AppendResult,
  AuditLog,
  type AuditLogOptions,
  type RecordDraft,
  type SettledDurability,
} from '../../../src/provenance/index.ts';
import { fingerprintOf, signingKeyFromSeed } from '../../../src/tokens/index.ts';

export const checkpointKey: ReturnType<typeof signingKeyFromSeed> = signingKeyFromSeed(
  new Uint8Array(32).fill(7),
);
export const nodeKey: ReturnType<typeof signingKeyFromSeed> = signingKeyFromSeed(new Uint8Array(32).fill(9));
export const nodeFingerprint: string = fingerprintOf(nodeKey.publicKey);
export const origin = 'example.com/calls';
export const alice: string = encodeBase32(new Uint8Array(32).fill(1));
export const bob: string = encodeBase32(new Uint8Array(32).fill(2));

/** Bytes that count up: the same records each time. */
export function countingRandom(): Random {
  let next = 0;
  return {
    bytes: (length) => Uint8Array.from({ length }, () => next++ & 0xff),
    fill: (target, start, length) => {
      for (let at = start; at < start + length; at++) target[at] = next++ & 0xff;
    },
  };
}

/** A directory under the system's temporary one, removed with `dispose`. */
export function scratch(): { readonly path: string; dispose(): void } {
  const path = mkdtempSync(join(tmpdir(), 'provenance-'));
  return { path, dispose: () => rmSync(path, { recursive: true, force: true }) };
}

export function openLog(directory: string, options: Partial<AuditLogOptions> = {}): Promise<AuditLog> {
  return AuditLog.open({
    directory: join(directory, 'log'),
    indexDirectory: join(directory, 'index'),
    nodeKey,
    nodeFingerprint,
    checkpointKey,
    origin,
    ...options,
    // Tests hold the clock still: a batch must not wait for it.
    limits: { commitIntervalMs: 0, ...options.limits },
  });
}

export function draft(event: string, more: Partial<RecordDraft> = {}): RecordDraft {
  return {
    erin: { event, callId: 'sip-1@example.com' },
    eraan: { parents: [] },
    eromheen: { transport: 'udp' },
    erachter: 'voice call to jis:bob',
    parties: [
      { fingerprint: alice, role: 'caller' },
      { fingerprint: bob, role: 'callee' },
    ],
    ...more,
  };
}

export function attempt(id: string): RecordDraft {
  return draft('call.attempt', { call: { id, phase: 'attempt' } });
}

export function closing(id: string): RecordDraft {
  return draft('call.end', { call: { id, phase: 'close' } });
}

export function settled({ durability }: AppendResult): Promise<SettledDurability> {
  return new Promise((resolve) => durability.whenSettled(resolve));
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

import { isFingerprint } from '../tokens/index.ts';

/** What the command line asks of the process that owns the log; it travels through the spool. */
export interface LogRequest {
  /** The fingerprint of the party to erase. */
  readonly erase?: string;
  /** The node whose key counts no longer. */
  readonly revokeNode?: string;
  /** Whether to commit to the newest record of every identity now, and not in the next hour. */
  readonly commitHeads?: true;
  /** Goes into the record, for everybody to read. */
  readonly reason?: string;
}

/** undefined: something else lies in this file. */
export function parseLogRequest(text: string): LogRequest | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const reason = 'reason' in parsed && typeof parsed.reason === 'string' ? { reason: parsed.reason } : {};
  if ('erase' in parsed && isFingerprintText(parsed.erase)) return { erase: parsed.erase, ...reason };
  if ('revokeNode' in parsed && isFingerprintText(parsed.revokeNode))
    return { revokeNode: parsed.revokeNode, ...reason };
  return 'commitHeads' in parsed && parsed.commitHeads === true ? { commitHeads: true } : undefined;
}

function isFingerprintText(value: unknown): value is string {
  return typeof value === 'string' && isFingerprint(value);
}

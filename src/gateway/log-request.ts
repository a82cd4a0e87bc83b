import { isFingerprint } from '../tokens/index.ts';

/** What the command line asks of the process that owns the log; it travels through the spool. */
export interface LogRequest {
  /** The fingerprint of the party to erase. */
  readonly erase: string;
  /** Goes into the redaction record, for everybody to read. */
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
  if (typeof parsed !== 'object' || parsed === null || !('erase' in parsed)) return undefined;
  const { erase } = parsed;
  if (typeof erase !== 'string' || !isFingerprint(erase)) return undefined;
  return 'reason' in parsed && typeof parsed.reason === 'string'
    ? { erase, reason: parsed.reason }
    : { erase };
}

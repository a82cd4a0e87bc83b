import { readFileSync } from 'node:fs';
import { ConfigError } from '../config/index.ts';
import { parsePolicy, VerifyError } from '../verify/index.ts';
import type { Surroundings } from './parts.ts';
import { type PostToWitness, type WitnessedLog, Witnesses } from './witnesses.ts';

/** An answer is a few signature lines; ML-DSA-44 ones have 3.3 kB each. */
const maxAnswerBytes = 65_536;

/** Starts collecting cosignatures; throws ConfigError when the policy cannot be read. */
export function startWitnesses(around: Surroundings, log: WitnessedLog, policyFile: string): void {
  const { clock, logger, closing, config } = around;
  const { intervalMs, timeoutMs } = config.audit.witnesses;
  const witnesses = new Witnesses({
    log,
    policy: readPolicy(policyFile),
    post: postWithin(timeoutMs),
    clock,
    logger,
    intervalMs,
  });
  witnesses.start();
  closing.opened(() => witnesses.close());
}

function readPolicy(file: string): ReturnType<typeof parsePolicy> {
  try {
    return parsePolicy(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof VerifyError || (error instanceof Error && 'code' in error))
      throw new ConfigError([{ path: 'audit.witnesses.policy', message: error.message, source: file }]);
    throw error;
  }
}

/** A witness is somebody else's server: it gets a time, no redirects, and so much to say. */
export function postWithin(timeoutMs: number): PostToWitness {
  return async (url, body, signal) => {
    const response = await fetch(url, {
      method: 'POST',
      body,
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of response.body ?? []) {
      length += part.length;
      if (length > maxAnswerBytes) throw new Error('its answer is too long');
      parts.push(part);
    }
    return { status: response.status, body: Buffer.concat(parts).toString() };
  };
}

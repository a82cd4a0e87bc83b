import { expect } from 'vitest';
import { SipParseError } from '../../../src/sip/message/index.ts';

/** The SipParseError that `run` throws; anything else fails the test. */
export function parseErrorOf(run: () => unknown): SipParseError {
  try {
    run();
  } catch (error) {
    if (error instanceof SipParseError) return error;
    throw error;
  }
  return expect.fail('nothing was thrown');
}

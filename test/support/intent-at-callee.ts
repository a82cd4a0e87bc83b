import { expect } from 'vitest';
import { addressOf, intentRequestOf } from '../../src/intent/index.ts';
import { headerValues, type SipRequest } from '../../src/sip/index.ts';
import {
  checkIntent,
  decodeIntentToken,
  type Fingerprint,
  type IntentExpectations,
  type IntentFault,
  type IntentToken,
} from '../../src/tokens/index.ts';
import { testDomain } from './test-gateway.ts';

/** The one token of a request that has arrived. */
export function tokenOf(request: SipRequest): IntentToken {
  const values = headerValues(request, 'intent-token');
  expect(values).toHaveLength(1);
  return decodeIntentToken(values[0] ?? '');
}

/** What a callee finds who checks a request that has reached it. */
export function checkAtCallee(
  request: SipRequest,
  fingerprint: Fingerprint,
  changes: Partial<IntentExpectations> = {},
): IntentFault | undefined {
  return checkIntent(tokenOf(request), {
    audience: testDomain,
    request: intentRequestOf(request),
    calleeAddresses: { fingerprint, address: addressOf(request.to.uri) },
    now: Math.floor(Date.now() / 1000),
    ...changes,
  });
}

import {
  createVia,
  removeTopVia,
  SipParseError,
  type SipResponse,
  type Via,
  withViaParam,
} from '../message/index.ts';
import type { Flow } from '../transport/index.ts';
import type { ProxyAddress } from './record-route.ts';

/**
 * The Via of a request that leaves on `flow` (RFC 3261 §16.6 step 8). On a TLS connection that we opened it says that
 * the peer may send its own requests to us this way too (RFC 5923 §8.1); whether it does is for its trust to decide.
 */
export function ownVia(flow: Flow, { host, port }: ProxyAddress, branch: string): Via {
  const via = createVia({ transport: flow.transport, host, port, branch, rport: !flow.reliable });
  return flow.dialled === true && flow.secure ? withViaParam(via, 'alias', undefined) : via;
}

/** RFC 3261 §16.7 step 3. A response that names nobody behind us, or cannot be read that far, is no use. */
export function withoutOwnVia(response: SipResponse): SipResponse | undefined {
  try {
    return removeTopVia(response);
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}

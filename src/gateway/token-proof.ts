import type { Clock, Logger } from '../base/index.ts';
import { type FailureThrottle, type Flow, headerField, type SipRequest } from '../sip/index.ts';
import { type AuthenticationResult, proved } from './authentication-result.ts';
import type { ForeignCallers } from './federation/foreign-callers.ts';
import type { IntentGate } from './intent-gate.ts';

export interface TokenProofOptions {
  readonly intents: IntentGate;
  /** Undefined where only identities of this domain may call. */
  readonly foreign: ForeignCallers | undefined;
  readonly throttle: FailureThrottle;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The `Intent-Token` of a request as the proof of who sent it; sources that fail too often leave no more records. */
export class TokenProof {
  readonly #options: TokenProofOptions;

  constructor(options: TokenProofOptions) {
    this.#options = options;
  }

  /** A device of this operator, by its own key. */
  async byKey(request: SipRequest, flow: Flow, token: string): Promise<AuthenticationResult> {
    const { intents, throttle, clock, logger } = this.#options;
    const result = await intents.check(request, flow, token);
    if (result.kind === 'accepted') {
      const { identity, intent, late } = result;
      return proved({ kind: 'identity', identity, assurance: 3, intent, ...(late && { late }) });
    }
    const { reason, fault, claimed, offerNonce } = result;
    const source = flow.remote.address;
    logger.warn(
      { fault, claimed, source, transport: flow.transport, method: request.method },
      'intent token refused',
    );
    const record = throttle.waitMs(source, claimed ?? '', clock.now()) === 0;
    throttle.recordFailure(source, claimed ?? '', clock.now());
    const date = new Date(clock.now()).toUTCString();
    const nonce = offerNonce
      ? [headerField('Intent-Nonce', intents.nonceFor(flow)), headerField('Date', date)]
      : [];
    return {
      kind: 'refused',
      status: 403,
      reason,
      fault,
      claimed,
      record,
      headers: [headerField('Reason', `SIP;cause=403;text="${reason}: ${fault}"`), ...nonce],
    };
  }

  /** A caller of another operator, by what that one publishes. */
  async byDomain(
    request: SipRequest,
    flow: Flow,
    domain: string,
    token: string,
  ): Promise<AuthenticationResult> {
    const { foreign, throttle, clock, logger } = this.#options;
    const source = flow.remote.address;
    // Each look-up costs somebody else something, too.
    const wait = throttle.waitMs(source, domain, clock.now());
    const result =
      wait > 0 || foreign === undefined
        ? { fault: 'throttled', claimed: undefined }
        : await foreign.check(request, flow, domain, token);
    if (!('fault' in result)) return proved(result);
    const { fault, claimed } = result;
    logger.warn({ fault, claimed, source, domain, method: request.method }, 'a foreign caller was refused');
    throttle.recordFailure(source, domain, clock.now());
    const headers = [headerField('Reason', `SIP;cause=403;text="Foreign Identity Not Proved: ${fault}"`)];
    const reason = 'Foreign Identity Not Proved';
    return { kind: 'refused', status: 403, reason, fault, claimed, record: wait === 0, headers };
  }
}

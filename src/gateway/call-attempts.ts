import { addressOf, declaredIntent } from '../intent/index.ts';
import type { Flow, RespondDecision, SipRequest } from '../sip/index.ts';
import type { IdentityToken } from '../tokens/index.ts';
import type { CallParty, CallRecords, Outcome } from './call-records.ts';
import type { Callee } from './callees.ts';
import { intentTokenOf } from './intent-gate.ts';
import type { OnBehalfSigner } from './on-behalf.ts';
import { nameOf, type Principal } from './principal.ts';
import type { Registration } from './registration.ts';
import { gateOf } from './routing-answers.ts';
import { SignedIntents } from './signed-intents.ts';

export interface CallAttemptsOptions {
  readonly records: CallRecords;
  readonly registration: Registration;
  readonly signer: OnBehalfSigner;
  readonly domainName: string;
  /** The identity that signs on behalf of others. */
  readonly gateway: IdentityToken;
}

/** What the gateway puts its name to when somebody calls: the intent of who cannot sign, and the attempt's record. */
export class CallAttempts {
  readonly #options: CallAttemptsOptions;
  readonly #intents: SignedIntents;

  constructor(options: CallAttemptsOptions) {
    this.#options = options;
    this.#intents = new SignedIntents(options.gateway);
  }

  /** The gateway's own token for a caller whose device has not signed this request. */
  signFor(request: SipRequest, caller: Principal, callee: Callee): string | undefined {
    // The gateway that proved the caller has signed already.
    if (caller.via !== undefined) return intentTokenOf(request);
    if (caller.kind === 'peer' ? caller.carriesIntent : caller.intent !== undefined) return undefined;
    return this.#options.signer.sign({
      request,
      caller: caller.kind === 'identity' ? caller.identity.fingerprint : undefined,
      assurance: caller.assurance,
      audience: this.#options.domainName,
      callee: { fingerprint: callee.identity?.fingerprint, address: callee.address },
      text: declaredIntent(request, callee.party.label),
    });
  }

  /** The record of an attempt, resting on the registrations of both and on the token that declares the intent. */
  record(
    request: SipRequest,
    flow: Flow,
    caller: Principal,
    callee: Callee,
    token: string | undefined,
  ): ReturnType<CallRecords['attempt']> {
    const { records, registration } = this.#options;
    const identity = caller.kind === 'identity' ? caller.identity : undefined;
    const device = caller.kind === 'identity' ? caller.intent : undefined;
    const { tokens, signed } = this.#intents.of(request, caller, token);
    return records.attempt({
      request,
      flow,
      caller: callerParty(caller, request),
      callee: callee.party,
      assurance: caller.assurance,
      signedBy: device !== undefined ? 'device' : token !== undefined ? 'gateway' : 'nobody',
      intent: device?.intent.text || declaredIntent(request, callee.party.label),
      tokens,
      signed,
      parents: registration.recordsOf(identity?.fingerprint, callee.identity?.fingerprint),
    });
  }

  /** A caller that proved nothing but claimed something leaves a record as well. */
  refuseStranger(
    request: SipRequest,
    flow: Flow,
    claimed: string | undefined,
    outcome: Outcome,
    answer: RespondDecision,
  ): RespondDecision {
    const { records } = this.#options;
    const address = addressOf(request.uri);
    const { call, written } = records.attempt({
      request,
      flow,
      caller: {
        fingerprint: undefined,
        label: `unproved ${claimed ?? request.from.uri}`,
        address: addressOf(claimed ?? request.from.uri),
      },
      callee: { fingerprint: undefined, label: address },
      assurance: 0,
      signedBy: 'nobody',
      intent: declaredIntent(request, address),
      tokens: [],
      signed: undefined,
      parents: [],
    });
    const { status, reason } = answer;
    records.close(call, outcome, { status, by: 'gateway', ...(reason === undefined ? {} : { reason }) });
    return { ...answer, gate: gateOf(written.durability) };
  }
}

function callerParty(caller: Principal, request: SipRequest): CallParty {
  if (caller.kind === 'identity') return { fingerprint: caller.identity.fingerprint, label: nameOf(caller) };
  const address = addressOf(request.from.uri);
  return { fingerprint: undefined, label: `${address} by ${nameOf(caller)}`, address };
}

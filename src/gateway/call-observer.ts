import type {
  ForwardedRequest,
  ForwardObserver,
  ProxyTarget,
  SipRequest,
  SipResponse,
} from '../sip/index.ts';
import { answersToo, writeDialog } from './call-dialog.ts';
import type { Call, CallRecords, Outcome } from './call-records.ts';
import type { BindingChoice } from './reachability.ts';
import type { RingingCall, RingingCalls } from './ringing-calls.ts';

export interface CallObserverOptions {
  readonly records: CallRecords;
  readonly ringing: RingingCalls;
  readonly call: Call;
  readonly request: SipRequest;
  /** The caller as a party of the dialog. */
  readonly callerIdentity: string;
  /** Set when an identity is called, and one of its phones alone. */
  readonly callee: string | undefined;
  readonly chooses: BindingChoice | undefined;
}

/** Writes down what becomes of a call until it is answered or has failed. */
export class CallObserver implements ForwardObserver {
  readonly #options: CallObserverOptions;
  #ringing: RingingCall | undefined;
  #cancelled = false;

  constructor(options: CallObserverOptions) {
    this.#options = options;
  }

  onForwarded(forwarded: ForwardedRequest): void {
    const { call, callee, chooses, ringing } = this.#options;
    call.pending = forwarded;
    if (callee === undefined) return;
    this.#ringing = { fingerprint: callee, forwarded, chooses };
    ringing.add(this.#ringing);
  }

  onProvisional({ status }: SipResponse, { flow }: ProxyTarget): void {
    const { records, call } = this.#options;
    records.rings(call, status, flow);
  }

  onFinal(response: SipResponse, target: ProxyTarget | undefined): void {
    const { status, reason } = response;
    const { records, call, request, callerIdentity } = this.#options;
    this.#isOver();
    if (status < 300) {
      if (call.answeredAtMs !== undefined) answersToo(call, response);
      else if (target !== undefined) call.dialog = writeDialog({ request, response, callerIdentity, target });
      records.isAnswered(call, status, target?.flow);
    }
    // A CANCEL may cross the answer: only the final response says which of them came first.
    else if (this.#cancelled || call.givenUp === true)
      records.close(call, 'cancelled', { status, reason, by: 'caller' });
    // Nobody out there said it when there is no target: a timeout, or a flow that is gone.
    else
      records.close(call, outcomeOf(status), {
        status,
        reason,
        by: target === undefined ? 'gateway' : 'callee',
      });
  }

  onCancelled(): void {
    this.#cancelled = true;
    this.#isOver();
  }

  #isOver(): void {
    this.#options.call.pending = undefined;
    if (this.#ringing === undefined) return;
    this.#options.ringing.remove(this.#ringing);
    this.#ringing = undefined;
  }
}

function outcomeOf(status: number): Outcome {
  switch (status) {
    case 486:
    case 600:
      return 'busy';
    case 487:
      return 'cancelled';
    case 408:
      return 'unanswered';
    case 480:
    case 430:
      return 'unreachable';
    case 403:
    case 603:
    case 607:
    case 608:
      return 'refused';
    default:
      return 'failed';
  }
}

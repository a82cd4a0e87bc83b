import { type Random, randomId } from '../../base/index.ts';
import {
  createResponse,
  type HeaderField,
  headerField,
  type SipRequest,
  type SipResponse,
} from '../message/index.ts';
import type {
  ClientTransaction,
  ClientTransactionHandler,
  ServerTransaction,
  TimerWheel,
} from '../transaction/index.ts';
import { type Candidate, chooseBest } from './best-response.ts';
import { Branch, type BranchFailure, type BranchOwner } from './branch.ts';
import type {
  ForwardDecision,
  ForwardedRequest,
  ForwardObserver,
  ProxyTarget,
  RespondDecision,
  RoutingDecision,
} from './policy.ts';
import { Upstream, type UpstreamOwner } from './upstream.ts';

/** What a response context needs from its proxy. */
export interface ContextHost {
  readonly timers: TimerWheel;
  readonly timerCMs: number;
  readonly random: Random;
  sendToTarget(
    request: SipRequest,
    transaction: ServerTransaction,
    target: ProxyTarget,
    decision: ForwardDecision,
    handler: ClientTransactionHandler,
  ): ClientTransaction;
  /** The caller has its final response: a CANCEL would come too late. */
  onContextAnswered(context: ResponseContext): void;
}

const answeredElsewhere: readonly HeaderField[] = [
  headerField('Reason', 'SIP;cause=200;text="Call completed elsewhere"'),
];
const noHeaders: readonly HeaderField[] = [];

/** The response context of RFC 3261 §16: one request, its branches, and the one answer that comes of them. */
export class ResponseContext implements BranchOwner, UpstreamOwner, ForwardedRequest {
  readonly timers: TimerWheel;
  readonly timerCMs: number;
  readonly transaction: ServerTransaction;
  readonly #host: ContextHost;
  /** Without the Route values that led here. */
  readonly #request: SipRequest;
  readonly #invite: boolean;
  #decision: ForwardDecision | undefined;
  #upstream: Upstream | undefined;
  #toTag: string | undefined;
  /** Targets that were not tried yet, best first. */
  #waiting: ProxyTarget[] = [];
  readonly #branches: Branch[] = [];
  readonly #candidates: Candidate[] = [];
  #forking = false;
  #cancelled = false;
  /** No more targets: answered, declined for all (6xx), cancelled, or not to be recorded. */
  #closed = false;
  /** The final response is chosen. */
  #answered = false;

  constructor(host: ContextHost, request: SipRequest, transaction: ServerTransaction) {
    this.timers = host.timers;
    this.timerCMs = host.timerCMs;
    this.transaction = transaction;
    this.#host = host;
    this.#request = request;
    this.#invite = request.method === 'INVITE';
  }

  /** Begins what the policy decided. */
  decide(decision: ForwardDecision): void {
    this.#decision = decision;
    const { observer, targets } = decision;
    const upstream = this.#openUpstream(decision, observer);
    if (this.#closed) return;
    if (this.#cancelled) {
      // The caller gave up while the policy was still deciding.
      this.#closed = true;
      observer?.onCancelled?.();
      upstream.sendOwn(487);
      return;
    }
    this.#waiting = [...targets].sort((a, b) => b.qValue - a.qValue);
    observer?.onForwarded?.(this);
    this.#settle();
  }

  /** Answers as the policy decided, which may have to wait for its gate too. */
  respond(decision: RespondDecision): void {
    const { status, reason, headers = noHeaders } = decision;
    const response = createResponse(this.transaction.request, status, reason, {
      toTag: this.ownTag(),
      headers,
    });
    this.#closed = true;
    this.#answered = true;
    this.#openUpstream(decision, undefined).send(response, undefined);
  }

  cancel(headers: readonly HeaderField[] = noHeaders): void {
    if (this.#cancelled || this.#answered) return;
    this.#cancelled = true;
    if (this.#decision === undefined) return;
    this.#decision.observer?.onCancelled?.();
    this.#stop(headers);
    this.#settle();
  }

  addTarget(target: ProxyTarget): boolean {
    if (this.#decision === undefined || this.#closed) return false;
    this.#fork([target]);
    this.#settle();
    return true;
  }

  onBranchProvisional(branch: Branch, response: SipResponse): void {
    this.#upstream?.send(response, branch.target);
  }

  onBranchSuccess(branch: Branch, response: SipResponse, first: boolean): void {
    this.#answered = true;
    // RFC 3261 §16.7 steps 5 and 10: each 2xx to an INVITE at once, the first one ends the other branches.
    this.#upstream?.send(response, branch.target, first);
    if (!this.#closed) this.#stop(answeredElsewhere);
  }

  onBranchRefused(branch: Branch, response: SipResponse): void {
    this.#candidates.push({ response, target: branch.target, local: false });
    // RFC 3261 §16.7 step 5: a 6xx speaks for all; it goes upstream once the others are cancelled.
    if (response.status >= 600 && !this.#closed) this.#stop(noHeaders);
    this.#settle();
  }

  onBranchFailed(branch: Branch, failure: BranchFailure): void {
    const response = this.#ownResponse(this.#statusOf(failure));
    this.#candidates.push({ response, target: branch.target, local: true });
    this.#settle();
  }

  ownTag(): string {
    this.#toTag ??= randomId(this.#host.random, 64);
    return this.#toTag;
  }

  onGateFailed(): void {
    this.#answered = true;
    this.#stop(noHeaders);
  }

  onFinalSent(): void {
    this.#host.onContextAnswered(this);
  }

  #openUpstream(decision: RoutingDecision, observer: ForwardObserver | undefined): Upstream {
    const upstream = new Upstream(this, decision.gate, observer);
    this.#upstream = upstream;
    return upstream;
  }

  #stop(reason: readonly HeaderField[]): void {
    this.#closed = true;
    this.#waiting = [];
    for (const branch of this.#branches) branch.cancel(reason);
  }

  /** Goes on with the next group of targets, or answers once nothing is pending (RFC 3261 §16.7 step 6). */
  #settle(): void {
    while (!this.#forking && !this.#branches.some(isPending)) {
      const group = this.#nextGroup();
      if (group.length === 0) {
        this.#answer();
        return;
      }
      this.#fork(group);
    }
  }

  #nextGroup(): readonly ProxyTarget[] {
    const waiting = this.#waiting;
    const [first] = waiting;
    if (first === undefined) return [];
    let end = 1;
    while (waiting[end]?.qValue === first.qValue) end++;
    return waiting.splice(0, end);
  }

  #fork(targets: readonly ProxyTarget[]): void {
    const decision = this.#decision;
    if (decision === undefined) return;
    // A branch may fail before the next one has begun; only all of them together decide.
    const nested = this.#forking;
    this.#forking = true;
    for (const target of targets) {
      const branch = new Branch(this, target, this.#invite);
      this.#branches.push(branch);
      if (!target.flow.open) branch.onTransportError();
      else
        branch.start((handler) =>
          this.#host.sendToTarget(this.#request, this.transaction, target, decision, handler),
        );
    }
    this.#forking = nested;
  }

  #answer(): void {
    const upstream = this.#upstream;
    if (upstream === undefined || this.#answered) return;
    this.#answered = true;
    this.#closed = true;
    const best = chooseBest(this.#candidates);
    if (this.#cancelled && (best === undefined || best.response.status < 600)) {
      // RFC 3261 §16.10: the callee's own 487 if there is one.
      const own = this.#candidates.find(({ response }) => response.status === 487);
      upstream.send(own?.response ?? this.#ownResponse(487), own?.target);
    } else if (best === undefined) upstream.sendOwn(480);
    else if (best.response.status === 503 && !best.local) {
      // RFC 3261 §16.7 step 6: a 503 would stop the caller from using this proxy at all.
      upstream.sendOwn(500);
    } else upstream.send(best.response, best.local ? undefined : best.target);
  }

  #statusOf(failure: BranchFailure): number {
    switch (failure) {
      case 'flow-gone':
        return this.#decision?.flowFailedStatus ?? 430;
      case 'timeout':
        return 408;
      case 'bad-response':
        return 502;
    }
  }

  #ownResponse(status: number): SipResponse {
    return createResponse(this.transaction.request, status, undefined, { toTag: this.ownTag() });
  }
}

function isPending(branch: Branch): boolean {
  return branch.pending;
}

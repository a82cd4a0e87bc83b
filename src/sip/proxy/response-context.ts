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
import type { ForwardDecision, ForwardedRequest, ProxyTarget, RespondDecision } from './policy.ts';
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
  onContextAnswered(transaction: ServerTransaction): void;
}

const answeredElsewhere: readonly HeaderField[] = [
  headerField('Reason', 'SIP;cause=200;text="Call completed elsewhere"'),
];
const noHeaders: readonly HeaderField[] = [];

/** What is only needed while branches are pending; a 2xx may be retransmitted for half a minute after that. */
interface Work {
  /** What is forwarded: the request without the Route values that led here. */
  readonly request: SipRequest;
  readonly transaction: ServerTransaction;
  readonly decision: ForwardDecision;
  /** Targets that were not tried yet, best first. */
  readonly waiting: ProxyTarget[];
  readonly branches: Branch[];
  readonly candidates: Candidate[];
}

/** The response context of RFC 3261 §16: one request, its branches, and the one answer that comes of them. */
export class ResponseContext implements BranchOwner, UpstreamOwner, ForwardedRequest {
  readonly timers: TimerWheel;
  readonly timerCMs: number;
  readonly #host: ContextHost;
  #work: Work | undefined;
  #upstream: Upstream | undefined;
  #toTag: string | undefined;
  #forking = false;
  #cancelled = false;
  /** No more targets: answered, declined for all (6xx), cancelled, or not to be recorded. */
  #closed = false;
  /** The final response is chosen. */
  #answered = false;

  constructor(host: ContextHost) {
    this.timers = host.timers;
    this.timerCMs = host.timerCMs;
    this.#host = host;
  }

  /** Begins what the policy decided. */
  forward(request: SipRequest, transaction: ServerTransaction, decision: ForwardDecision): void {
    const { observer, targets, gate } = decision;
    this.#upstream = new Upstream(this, transaction, gate, observer);
    if (this.#closed) return;
    if (this.#cancelled) {
      // The caller gave up while the policy was still deciding.
      this.#closed = true;
      this.#answered = true;
      observer?.onCancelled?.();
      this.#upstream.sendOwn(487);
      return;
    }
    const waiting = targets.length === 1 ? [...targets] : [...targets].sort((a, b) => b.qValue - a.qValue);
    this.#work = { request, transaction, decision, waiting, branches: [], candidates: [] };
    observer?.onForwarded?.(this);
    this.#settle();
  }

  /** Answers as the policy decided, which may have to wait for its gate too. */
  respond(transaction: ServerTransaction, decision: RespondDecision): void {
    const { status, reason, headers = noHeaders, gate } = decision;
    this.#closed = true;
    this.#answered = true;
    this.#upstream = new Upstream(this, transaction, gate, undefined);
    const toTag = this.ownTag();
    this.#upstream.send(createResponse(transaction.request, status, reason, { toTag, headers }), undefined);
  }

  cancel(headers: readonly HeaderField[] = noHeaders): void {
    if (this.#cancelled || this.#answered) return;
    this.#cancelled = true;
    if (this.#work === undefined) return;
    this.#work.decision.observer?.onCancelled?.();
    this.#stop(headers);
    this.#settle();
  }

  addTarget(target: ProxyTarget): boolean {
    if (this.#work === undefined || this.#closed) return false;
    this.#fork(this.#work, [target]);
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
    this.#settle();
  }

  onBranchRefused(branch: Branch, response: SipResponse): void {
    this.#work?.candidates.push({ response, target: branch.target, local: false });
    // RFC 3261 §16.7 step 5: a 6xx speaks for all; it goes upstream once the others are cancelled.
    if (response.status >= 600 && !this.#closed) this.#stop(noHeaders);
    this.#settle();
  }

  onBranchFailed(branch: Branch, failure: BranchFailure): void {
    const work = this.#work;
    if (work === undefined) return;
    const status = failure === 'flow-gone' ? (work.decision.flowFailedStatus ?? 430) : failureStatus[failure];
    work.candidates.push({ response: this.#ownResponse(work, status), target: branch.target, local: true });
    this.#settle();
  }

  ownTag(): string {
    this.#toTag ??= randomId(this.#host.random, 64);
    return this.#toTag;
  }

  onGateFailed(): void {
    this.#answered = true;
    this.#stop(noHeaders);
    this.#settle();
  }

  onFinalSent(transaction: ServerTransaction): void {
    this.#host.onContextAnswered(transaction);
  }

  #stop(reason: readonly HeaderField[]): void {
    this.#closed = true;
    const work = this.#work;
    if (work === undefined) return;
    work.waiting.length = 0;
    for (const branch of work.branches) branch.cancel(reason);
  }

  /** Once nothing is pending: the next group of targets, or the answer (RFC 3261 §16.7 step 6), or the end. */
  #settle(): void {
    const work = this.#work;
    if (work === undefined) return;
    while (!this.#forking && !work.branches.some(isPending)) {
      const group = takeGroup(work.waiting);
      if (group.length === 0) {
        this.#work = undefined;
        if (!this.#answered) this.#answer(work);
        return;
      }
      this.#fork(work, group);
    }
  }

  #fork(work: Work, targets: readonly ProxyTarget[]): void {
    const { request, transaction, decision, branches } = work;
    const invite = request.method === 'INVITE';
    // A branch may fail before the next one has begun; only all of them together decide.
    this.#forking = true;
    for (const target of targets) {
      const branch = new Branch(this, target, invite);
      branches.push(branch);
      if (!target.flow.open) branch.onTransportError();
      else
        branch.start((handler) => this.#host.sendToTarget(request, transaction, target, decision, handler));
    }
    this.#forking = false;
  }

  #answer(work: Work): void {
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    this.#answered = true;
    this.#closed = true;
    const best = chooseBest(work.candidates);
    if (this.#cancelled && (best === undefined || best.response.status < 600)) {
      // RFC 3261 §16.10: the callee's own 487 if there is one.
      const own = work.candidates.find(({ response }) => response.status === 487);
      upstream.send(own?.response ?? this.#ownResponse(work, 487), own?.target);
    } else if (best === undefined) upstream.sendOwn(480);
    else if (best.response.status === 503 && !best.local) {
      // RFC 3261 §16.7 step 6: a 503 would stop the caller from using this proxy at all.
      upstream.sendOwn(500);
    } else upstream.send(best.response, best.local ? undefined : best.target);
  }

  #ownResponse(work: Work, status: number): SipResponse {
    return createResponse(work.transaction.request, status, undefined, { toTag: this.ownTag() });
  }
}

const failureStatus = { timeout: 408, 'bad-response': 502 } as const;

/** Takes the targets of the highest q value. */
function takeGroup(waiting: ProxyTarget[]): readonly ProxyTarget[] {
  const [first] = waiting;
  if (first === undefined) return [];
  let end = 1;
  while (waiting[end]?.qValue === first.qValue) end++;
  return waiting.splice(0, end);
}

function isPending(branch: Branch): boolean {
  return branch.pending;
}

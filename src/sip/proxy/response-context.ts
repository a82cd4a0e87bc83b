import { type Random, randomId } from '../../base/index.ts';
import { createResponse, type HeaderField, type SipRequest, type SipResponse } from '../message/index.ts';
import type { ServerTransaction } from '../transaction/index.ts';
import { type Candidate, chooseBest } from './best-response.ts';
import type { Branch, BranchFailure } from './branch.ts';
import { Fork, type ForkHost, type ForkOwner } from './fork.ts';
import type { Forwarder } from './forwarder.ts';
import type { LateAnswerKinds } from './late-answer.ts';
import { Breadth, incomingBreadth } from './max-breadth.ts';
import type {
  ForwardDecision,
  ForwardedRequest,
  GateRefusal,
  ProxyTarget,
  RespondDecision,
} from './policy.ts';
import { answeredElsewhere, callerGone, reasonOf } from './reason.ts';
import { statelessTag } from './stateless-tag.ts';
import { TargetSet } from './target-set.ts';
import { Upstream, type UpstreamOwner } from './upstream.ts';

/** What a response context needs from its proxy. */
export interface ContextHost extends ForkHost {
  readonly random: Random;
  readonly lateAnswers: LateAnswerKinds;
  /** The caller has its final response: a CANCEL would come too late. */
  onContextAnswered(transaction: ServerTransaction): void;
  readonly forwarder: ForkHost['forwarder'] & Pick<Forwarder, 'releaseCallee'>;
}

const noHeaders: readonly HeaderField[] = [];

/** The response context of RFC 3261 §16: one request, its branches, and the one answer that comes of them. */
export class ResponseContext implements ForkOwner, UpstreamOwner, ForwardedRequest {
  readonly #host: ContextHost;
  #fork: Fork | undefined;
  /** While branches are pending: for responses of our own, and for who watches. */
  #transaction: ServerTransaction | undefined;
  #decision: ForwardDecision | undefined;
  #candidates: Candidate[] = [];
  /** Set when all have ended, until the caller has the answer. */
  #branches: readonly Branch[] = [];
  #upstream: Upstream | undefined;
  #toTag: string | undefined;
  #cancelled = false;
  /** No more targets: answered, declined for all (6xx), cancelled, or not to be recorded. */
  #closed = false;
  /** The final response is chosen. */
  #answered = false;
  #refusal: GateRefusal | undefined;

  constructor(host: ContextHost) {
    this.#host = host;
  }

  /** Begins what the policy decided. */
  forward(request: SipRequest, transaction: ServerTransaction, decision: ForwardDecision): void {
    const { observer, targets, gate, responseRemove } = decision;
    this.#upstream = new Upstream(this, transaction, gate, observer, responseRemove);
    if (this.#closed) return;
    if (this.#cancelled) {
      // The caller gave up while the policy was still deciding.
      observer?.onCancelled?.();
      this.#finish();
      this.#upstream.sendOwn(487);
      return;
    }
    const breadth = new Breadth(incomingBreadth(request));
    if (breadth.free === 0 && targets.length > 0) {
      // RFC 5393 §5.3.3
      this.#finish();
      this.#upstream.sendOwn(440);
      return;
    }
    this.#transaction = transaction;
    this.#decision = decision;
    const work = { request, transaction, decision, targets: new TargetSet(targets), breadth };
    this.#fork = new Fork(this.#host, this, work);
    observer?.onForwarded?.(this);
    this.#fork.begin();
  }

  /** Answers as the policy decided, which may have to wait for its gate too. */
  respond(transaction: ServerTransaction, decision: RespondDecision): void {
    const { status, reason, headers = noHeaders, gate, stateless = false } = decision;
    this.#finish();
    if (stateless) this.#toTag = statelessTag(transaction.request);
    this.#upstream = new Upstream(this, transaction, gate, undefined, undefined, stateless);
    this.#upstream.sendOwn(status, reason, headers);
  }

  cancel(headers: readonly HeaderField[] = noHeaders): void {
    if (this.#cancelled || this.#answered) return;
    this.#cancelled = true;
    this.#decision?.observer?.onCancelled?.();
    this.#stop(headers);
  }

  addTarget(target: ProxyTarget): boolean {
    return !this.#closed && this.#fork?.add(target) === true;
  }

  onProvisional(response: SipResponse, target: ProxyTarget): void {
    this.#upstream?.send(response, target);
  }

  onSuccess(response: SipResponse, target: ProxyTarget, first: boolean): void {
    this.#answered = true;
    // RFC 3261 §16.7 steps 5 and 10: each 2xx to an INVITE at once, the first one ends the other branches.
    this.#upstream?.send(response, target, first);
    if (!this.#closed) this.#stop(answeredElsewhere);
  }

  onRefused(response: SipResponse, target: ProxyTarget): void {
    this.#candidates.push({ response, target, local: false });
    // RFC 3261 §16.7 step 5: a 6xx speaks for all; it goes upstream once the others are cancelled.
    if (response.status >= 600 && !this.#closed) this.#stop(noHeaders);
  }

  onFailed(failure: BranchFailure, target: ProxyTarget): void {
    const status =
      failure === 'flow-gone' ? (this.#decision?.flowFailedStatus ?? 430) : failureStatus[failure];
    const response = this.#ownResponse(status);
    if (response !== undefined) this.#candidates.push({ response, target, local: true });
  }

  /** RFC 3261 §16.7 step 6. */
  onAllEnded(branches: readonly Branch[]): void {
    this.#branches = branches;
    if (!this.#answered) this.#answer();
    // What lingers for late 2xx responses needs none of it.
    this.#candidates = [];
    this.#transaction = undefined;
    this.#decision = undefined;
    this.#fork = undefined;
    this.#lingerOnceSettled();
  }

  ownTag(): string {
    this.#toTag ??= randomId(this.#host.random, 64);
    return this.#toTag;
  }

  onGateFailed(refusal: GateRefusal): void {
    this.#answered = true;
    this.#refusal = refusal;
    this.#stop([reasonOf(503, refusal.reason)]);
  }

  onAnswerLost(response: SipResponse, target: ProxyTarget, again: boolean): void {
    const reason = this.#refusal === undefined ? callerGone : reasonOf(503, this.#refusal.reason);
    this.#host.forwarder.releaseCallee(response, target.flow, reason, again);
  }

  onFinalSent(transaction: ServerTransaction): void {
    this.#host.onContextAnswered(transaction);
    this.#lingerOnceSettled();
  }

  /** Transactions of answered INVITEs last half a minute: they need not keep all of this alive. */
  #lingerOnceSettled(): void {
    const upstream = this.#upstream;
    if (upstream?.settled !== true) return;
    const late = this.#host.lateAnswers.of(upstream.makesCall, upstream.removes);
    for (const branch of this.#branches) branch.linger(late, upstream.flow);
    this.#branches = [];
  }

  #finish(): void {
    this.#closed = true;
    this.#answered = true;
  }

  #stop(reason: readonly HeaderField[]): void {
    this.#closed = this.#fork !== undefined || this.#answered;
    this.#fork?.stop(reason);
  }

  #answer(): void {
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    this.#finish();
    const best = chooseBest(this.#candidates);
    if (this.#cancelled && (best === undefined || best.response.status < 600)) {
      // RFC 3261 §16.10: the callee's own 487 if there is one.
      const own = this.#candidates.find(({ response }) => response.status === 487);
      if (own === undefined) upstream.sendOwn(487);
      else upstream.send(own.response, own.target);
    } else if (best === undefined) upstream.sendOwn(480);
    else if (best.response.status === 503 && !best.local) {
      // RFC 3261 §16.7 step 6: a 503 would stop the caller from using this proxy at all.
      upstream.sendOwn(500);
    } else upstream.send(best.response, best.local ? undefined : best.target);
  }

  #ownResponse(status: number): SipResponse | undefined {
    const request = this.#transaction?.request;
    return request && createResponse(request, status, undefined, { toTag: this.ownTag() });
  }
}

const failureStatus = { timeout: 408, 'bad-response': 502 } as const;

import type { Timer } from '../../base/index.ts';
import type { HeaderField, SipRequest, SipResponse } from '../message/index.ts';
import type { ServerTransaction, TimerOwner, TimerWheel } from '../transaction/index.ts';
import { Branch, type BranchFailure, type BranchOwner } from './branch.ts';
import type { Forwarder } from './forwarder.ts';
import type { Breadth } from './max-breadth.ts';
import { failureOf } from './next-hop.ts';
import type { ForwardDecision, ProxyTarget, TargetFailure } from './policy.ts';
import { redirectContacts } from './redirect.ts';
import type { TargetSet } from './target-set.ts';

/** What the fork of a request needs of its proxy. */
export interface ForkHost {
  readonly timers: TimerWheel;
  readonly timerCMs: number;
  readonly forwarder: Pick<Forwarder, 'sendToTarget' | 'exceedsDatagram'>;
  onPolicyError(error: unknown): void;
}

/** Who makes one answer of what the branches say. */
export interface ForkOwner {
  onProvisional(response: SipResponse, target: ProxyTarget): void;
  onSuccess(response: SipResponse, target: ProxyTarget, first: boolean): void;
  /** A branch has ended with this, and nothing else is tried in its place. */
  onRefused(response: SipResponse, target: ProxyTarget): void;
  onFailed(failure: BranchFailure, target: ProxyTarget): void;
  /** Nothing is pending and nothing waits; said once, with all branches there were. */
  onAllEnded(branches: readonly Branch[]): void;
}

/** What is only needed while branches are pending; a 2xx may be retransmitted for half a minute after that. */
export interface ForkWork {
  /** What is forwarded: the request without the Route values that led here. */
  readonly request: SipRequest;
  readonly transaction: ServerTransaction;
  readonly decision: ForwardDecision;
  readonly targets: TargetSet;
  readonly breadth: Breadth;
}

/** The branches of one request: which start when, and what takes the place of one that failed (RFC 3261 §16.6). */
export class Fork implements BranchOwner, TimerOwner<'rejoin'> {
  readonly timers: TimerWheel;
  readonly timerCMs: number;
  readonly #host: ForkHost;
  readonly #owner: ForkOwner;
  #work: ForkWork | undefined;
  #branches: Branch[] = [];
  /** While branches are started: one may fail before the next has begun, and only all of them together decide. */
  #starting = false;
  /** Places that are still looked for. */
  #searches = 0;
  /** Runs while a phone that lost its flow may come back. */
  #rejoin: Timer | undefined;
  #closed = false;

  constructor(host: ForkHost, owner: ForkOwner, work: ForkWork) {
    this.timers = host.timers;
    this.timerCMs = host.timerCMs;
    this.#host = host;
    this.#owner = owner;
    this.#work = work;
  }

  begin(): void {
    this.#settle();
  }

  /** One more target; false when it is too late, or the request went there already. */
  add(target: ProxyTarget): boolean {
    if (this.#work === undefined || this.#closed) return false;
    const added = this.#work.targets.note([target]);
    if (added.length === 0) return false;
    this.#endRejoin();
    this.#start(this.#work, added);
    return true;
  }

  /** Starts nothing any more and cancels what is pending. */
  stop(reason: readonly HeaderField[]): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#endRejoin();
    this.#work?.targets.dropWaiting();
    for (const branch of this.#branches) branch.cancel(reason);
    this.#settle();
  }

  onBranchProvisional({ target }: Branch, response: SipResponse): void {
    this.#owner.onProvisional(response, target);
  }

  onBranchSuccess({ target }: Branch, response: SipResponse, first: boolean): void {
    this.#owner.onSuccess(response, target, first);
    this.#settle();
  }

  onBranchRefused(branch: Branch, response: SipResponse): void {
    const work = this.#work;
    if (work === undefined) return;
    work.breadth.giveBack(branch.breadth);
    const { target } = branch;
    const failure = failureOf(response);
    const count = (): void => this.#owner.onRefused(response, target);
    const answered = this.#closed ? undefined : answerTo(response, target);
    if (answered !== undefined) this.#start(work, [answered]);
    else if (failure !== undefined && target.failover !== undefined)
      this.#replace(work, target, failure, count);
    else if (response.status < 400 && work.decision.redirect !== undefined)
      this.#redirect(work, response, count);
    else count();
    this.#settle();
  }

  onBranchFailed(branch: Branch, failure: BranchFailure): void {
    const work = this.#work;
    if (work === undefined) return;
    work.breadth.giveBack(branch.breadth);
    const { target } = branch;
    if (failure === 'flow-gone' && branch.started) this.#awaitRejoin(work);
    const count = (): void => this.#owner.onFailed(failure, target);
    const silent = failure === 'timeout' && !branch.heard;
    if (target.failover !== undefined && (failure === 'flow-gone' || silent))
      this.#replace(work, target, { reason: silent ? 'timeout' : 'no-flow' }, count);
    else count();
    this.#settle();
  }

  /** The phone has not come back. */
  onTimer(): void {
    this.#rejoin = undefined;
    this.#settle();
  }

  /** RFC 5626 §5.3 and RFC 3263 §4.3: the next way to the same place; `count` takes the failure when there is none. */
  #replace(work: ForkWork, target: ProxyTarget, failure: TargetFailure, count: () => void): void {
    const next = target.failover?.next(failure);
    if (next === undefined || this.#closed) {
      count();
      return;
    }
    const found = next.then((replacement) => (replacement === undefined ? [] : [replacement]));
    this.#search(work, found, count);
  }

  /** RFC 3261 §16.5, §16.7 step 4: where a 3xx points, if the policy follows it; it is no answer any more then. */
  #redirect(work: ForkWork, response: SipResponse, count: () => void): void {
    const contacts = redirectContacts(response);
    if (contacts.length === 0 || this.#closed || work.decision.redirect === undefined) count();
    else this.#search(work, work.decision.redirect(contacts), count);
  }

  #search(work: ForkWork, found: Promise<readonly ProxyTarget[]>, count: () => void): void {
    this.#searches++;
    const settle = (targets: readonly ProxyTarget[]): void => {
      this.#searches--;
      const fresh = this.#closed ? [] : work.targets.note(targets);
      if (fresh.length === 0) count();
      else {
        this.#endRejoin();
        this.#start(work, fresh);
      }
      this.#settle();
    };
    found.then(settle, (error: unknown) => {
      this.#host.onPolicyError(error);
      settle([]);
    });
  }

  #awaitRejoin({ request, decision: { rejoinMs = 0 } }: ForkWork): void {
    if (rejoinMs === 0 || this.#closed || request.method !== 'INVITE') return;
    this.#rejoin ??= this.timers.start(rejoinMs, this, 'rejoin');
  }

  #endRejoin(): void {
    this.#rejoin?.cancel();
    this.#rejoin = undefined;
  }

  /** Once nothing is pending: the next group of targets, or the end. */
  #settle(): void {
    const work = this.#work;
    if (work === undefined) return;
    while (!this.#starting && this.#searches === 0 && !this.#branches.some(isPending)) {
      const group = work.targets.takeGroup(work.breadth.free);
      if (group.length === 0) {
        if (this.#rejoin !== undefined) return;
        const branches = this.#branches;
        this.#work = undefined;
        this.#branches = [];
        this.#owner.onAllEnded(branches);
        return;
      }
      this.#start(work, group);
    }
  }

  #start(work: ForkWork, targets: readonly ProxyTarget[]): void {
    const { request, transaction, decision, breadth } = work;
    const count = Math.min(targets.length, breadth.free);
    // RFC 5393 §5.3.3.1: what finds no breadth now is tried when a branch has ended.
    if (count < targets.length) work.targets.putFirst(targets.slice(count));
    if (count === 0) return;
    const share = breadth.take(
      count,
      request.method === 'INVITE' && decision.observer?.onForwarded !== undefined,
    );
    const outer = this.#starting;
    this.#starting = true;
    for (let i = 0; i < count; i++) {
      const target = targets[i];
      if (
        target?.overConnection !== undefined &&
        this.#host.forwarder.exceedsDatagram(request, transaction, target, decision)
      )
        this.#startOverConnection(work, target, target.overConnection, share);
      else if (target !== undefined) this.#startBranch(work, target, share);
    }
    this.#starting = outer;
  }

  #startBranch({ request, transaction, decision }: ForkWork, target: ProxyTarget, share: number): void {
    const branch = new Branch(this, target, request.method === 'INVITE', share);
    this.#branches.push(branch);
    if (target.flow.open) {
      branch.begin();
      branch.sent(this.#host.forwarder.sendToTarget(request, transaction, target, decision, share, branch));
    } else branch.onTransportError();
  }

  /** RFC 3261 §18.1.1: what is too large for a datagram waits for a connection to the same place. */
  #startOverConnection(
    work: ForkWork,
    target: ProxyTarget,
    overConnection: () => Promise<ProxyTarget>,
    share: number,
  ): void {
    this.#searches++;
    const proceed = (chosen: ProxyTarget): void => {
      this.#searches--;
      if (this.#closed) work.breadth.giveBack(share);
      else this.#startBranch(work, chosen, share);
      this.#settle();
    };
    overConnection().then(proceed, (error: unknown) => {
      this.#host.onPolicyError(error);
      proceed(target);
    });
  }
}

/** RFC 3261 §22.2: once; whoever refuses the answer has spoken. */
function answerTo(response: SipResponse, target: ProxyTarget): ProxyTarget | undefined {
  if (response.status !== 401 && response.status !== 407) return undefined;
  const { onChallenge, overConnection: _, ...again } = target;
  const answer = onChallenge?.(response);
  return answer && { ...again, headers: [...(target.headers ?? []), ...answer] };
}

function isPending(branch: Branch): boolean {
  return branch.pending;
}

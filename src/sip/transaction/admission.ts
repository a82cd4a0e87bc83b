import type { Clock } from '../../base/index.ts';
import type { SipRequest } from '../message/index.ts';
import { type Flow, sourceKey } from '../transport/index.ts';
import { LoadMonitor } from './load-monitor.ts';
import { TokenBuckets } from './token-buckets.ts';

export interface OverloadLimits {
  /** How often the lag of the event loop is measured. */
  readonly sampleMs: number;
  /** Lag above which new calls are shed, more of them the longer it lasts. */
  readonly maxLagMs: number;
  /** New calls per second that are let in however late the loop is, other new requests among them; 0: none. */
  readonly minCallsPerSecond: number;
  /** Requests whose routing is being decided; above it new calls are refused. */
  readonly maxUndecided: number;
  /** New calls per second from one address; 0 means no limit. */
  readonly callsPerSecondPerSource: number;
  /** New calls per second of one identity, whatever phones it has; 0 means no limit. */
  readonly callsPerSecondPerIdentity: number;
  /** Sources, and identities, that are counted at once. */
  readonly maxCounters: number;
  /** Retry-After of a refusal. */
  readonly retryAfterSeconds: number;
  /** A refused REGISTER is told up to so many more, at random: phones that came together would come back together. */
  readonly registerSpreadSeconds: number;
}

export const defaultOverloadLimits: OverloadLimits = {
  sampleMs: 100,
  maxLagMs: 200,
  minCallsPerSecond: 50,
  maxUndecided: 10_000,
  callsPerSecondPerSource: 20_000,
  callsPerSecondPerIdentity: 20_000,
  maxCounters: 50_000,
  retryAfterSeconds: 5,
  registerSpreadSeconds: 15,
};

/** A call that has lasted a while may come with a second's worth of others. */
const burstSeconds = 2;
/** Phones that cannot register cannot be called: registrations are shed at that many times the bounds of calls. */
const registrationHeadroom = 4;

export interface AdmissionCounts {
  /** Requests refused since the start because of load. */
  readonly shed: number;
  /** Calls refused since the start because their source or identity made too many. */
  readonly limited: number;
  readonly undecided: number;
  readonly lagMs: number;
}

/**
 * Decides before any work which requests are let in: what belongs to a dialog always, registrations before new calls,
 * calls as long as they can be answered in time. Refusing costs a tenth of routing. A few calls are always let in: when
 * thousands of phones come back at once, shedding calls would spare the loop nothing.
 */
export class Admission {
  readonly limits: OverloadLimits;
  readonly #monitor: LoadMonitor;
  readonly #floor: TokenBuckets | undefined;
  readonly #sources: TokenBuckets;
  readonly #identities: TokenBuckets;
  #undecided = 0;
  /** Of these, registrations: they wait in turns of their own, and keep no call waiting. */
  #registering = 0;
  /** Carries the fraction of a refusal over to the next call, so that shares come out exact without chance. */
  #owed = 0;
  #shed = 0;
  #limited = 0;

  constructor(clock: Clock, limits: OverloadLimits = defaultOverloadLimits) {
    this.limits = limits;
    this.#monitor = new LoadMonitor(clock, limits);
    const rate = (perSecond: number): { perSecond: number; burst: number } => ({
      perSecond,
      burst: perSecond * burstSeconds,
    });
    const { minCallsPerSecond } = limits;
    if (minCallsPerSecond > 0) this.#floor = new TokenBuckets(clock, rate(minCallsPerSecond), 1);
    this.#sources = new TokenBuckets(clock, rate(limits.callsPerSecondPerSource), limits.maxCounters);
    this.#identities = new TokenBuckets(clock, rate(limits.callsPerSecondPerIdentity), limits.maxCounters);
  }

  start(): void {
    this.#monitor.start();
  }

  close(): void {
    this.#monitor.close();
  }

  /** Takes a measurement of another queue, such as how long a request has waited. */
  observeLag(lagMs: number): void {
    this.#monitor.observe(lagMs);
  }

  /** RFC 7339 §4.1: how many of 100 requests a peer should keep to itself. */
  get lossPercent(): number {
    return Math.round((this.#isFull ? 1 : this.#monitor.shed) * 100);
  }

  counts(): AdmissionCounts {
    const { lagMs } = this.#monitor;
    return { shed: this.#shed, limited: this.#limited, undecided: this.#undecided, lagMs };
  }

  /** Whether a new request is let in; `flow` is where it came from. */
  admits(request: SipRequest, flow: Flow): boolean {
    const { method } = request;
    if (request.to.tag !== undefined || method === 'CANCEL') return true;
    if (method === 'REGISTER') {
      const { maxLagMs, maxUndecided } = this.limits;
      const lost = this.#monitor.shed === 1 && this.#monitor.lagMs > maxLagMs * registrationHeadroom;
      if (!lost && this.#undecided < maxUndecided * registrationHeadroom) return true;
      this.#shed++;
      return false;
    }
    if (this.#isFull || (this.#owesRefusal() && this.#floor?.take('') !== true)) {
      this.#shed++;
      return false;
    }
    if (method !== 'INVITE' || this.#sources.take(sourceKey(flow.remote.address))) return true;
    this.#limited++;
    return false;
  }

  /** Whether one more call of this identity is let in. */
  admitsCallOf(identity: string): boolean {
    if (this.#identities.take(identity)) return true;
    this.#limited++;
    return false;
  }

  /** A request whose fate takes a while to decide. */
  entered(method?: string): void {
    this.#undecided++;
    if (method === 'REGISTER') this.#registering++;
  }

  left(method?: string): void {
    this.#undecided--;
    if (method === 'REGISTER') this.#registering--;
  }

  get #isFull(): boolean {
    return this.#undecided - this.#registering >= this.limits.maxUndecided;
  }

  #owesRefusal(): boolean {
    const { shed } = this.#monitor;
    if (shed === 0) return false;
    this.#owed += shed;
    if (this.#owed < 1) return false;
    this.#owed -= 1;
    return true;
  }
}

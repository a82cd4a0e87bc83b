import type { HeaderField, SipRequest, SipResponse } from '../message/index.ts';
import type { ServerTransaction } from '../transaction/index.ts';
import type { Flow } from '../transport/index.ts';
import type { FlowTokenContents } from './flow-token.ts';

/** One place to which a request is forwarded. */
export interface ProxyTarget {
  readonly flow: Flow;
  readonly requestUri: string;
  /** 0 to 1000. Equal values are tried at the same time, higher ones before lower ones (RFC 3261 §16.6). */
  readonly qValue: number;
  /** Route values to put first, such as a binding's Path (RFC 3327 §5.3). */
  readonly routes?: readonly string[];
  /** Who is reached there; written into the dialog's flow token. */
  readonly identity?: string;
  /** For this target alone, behind all others. */
  readonly headers?: readonly HeaderField[];
  /** For a next hop with several addresses. */
  readonly failover?: TargetFailover;
  /** The header fields that answer a 401 or 407; undefined when the caller has to answer. */
  readonly onChallenge?: (response: SipResponse) => readonly HeaderField[] | undefined;
  /**
   * For a UDP flow: the same place over a connection, when the request is too large for a datagram (RFC 3261 §18.1.1).
   * Resolves with a target that has no `overConnection`: the UDP one again when no connection is taken.
   */
  readonly overConnection?: () => Promise<ProxyTarget>;
}

/** Whether both mean the same place: a flow may lead to many, behind a PBX or an edge proxy. */
export function isSameTarget(a: ProxyTarget, b: ProxyTarget): boolean {
  if (a.flow.id !== b.flow.id || a.requestUri !== b.requestUri) return false;
  const { routes: own = noRoutes } = a;
  const { routes: other = noRoutes } = b;
  return own.length === other.length && own.every((route, index) => route === other[index]);
}

const noRoutes: readonly string[] = [];

/** Why the address of a target is given up (RFC 3263 §4.3). */
export interface TargetFailure {
  readonly reason: 'no-flow' | 'timeout' | 'unavailable';
  /** Of a 503 that names a time. */
  readonly retryAfterSeconds?: number;
}

export interface TargetFailover {
  /** After so long without any response, 100 included, the next address is tried; absent: when the transaction ends. */
  readonly silenceMs?: number;
  /** Told of the failure; gives the next address of the same next hop, undefined when there is none. Never rejects. */
  next(failure: TargetFailure): Promise<ProxyTarget | undefined>;
}

/**
 * Holds back every response above 100 until something else is done, such as the durable record of the attempt.
 * When it fails, the caller gets 503, ringing branches are cancelled, and a callee that has answered is hung up on.
 */
export interface ResponseGate {
  readonly state: 'pending' | 'open' | 'failed';
  /** What the 503 says when it fails. */
  readonly refusal?: GateRefusal;
  /** Calls back once, possibly at once. */
  whenSettled(callback: (state: 'open' | 'failed') => void): void;
}

export interface GateRefusal {
  /** Reason phrase of the 503, and the text of the Reason that callees hear (RFC 3326). */
  readonly reason: string;
  /** Such as Retry-After. */
  readonly headers: readonly HeaderField[];
}

/** A forwarded request that still awaits its final response. */
export interface ForwardedRequest {
  /** Forks to one more place while the request is pending; false when it is too late, or that place was tried. */
  addTarget(target: ProxyTarget): boolean;
  /** Cancels what is pending, as if the caller had. */
  cancel(headers?: readonly HeaderField[]): void;
}

/** Watches what becomes of a forwarded request. Every request ends in at least one `onFinal`. */
export interface ForwardObserver {
  onForwarded?(forwarded: ForwardedRequest): void;
  /** A provisional response other than 100 that went upstream. */
  onProvisional?(response: SipResponse, target: ProxyTarget): void;
  /**
   * The final response that went upstream: the best one, and of 2xx to an INVITE one for each dialog, which may also
   * come after another final response (RFC 3261 §16.7 step 5); what comes once all branches have ended and one was
   * answered is forwarded and not reported. `target` is undefined when the proxy made the response itself. A 408 to a
   * non-INVITE request is reported but not sent (RFC 4320 §4.2).
   */
  onFinal?(response: SipResponse, target: ProxyTarget | undefined): void;
  /** The caller cancelled, or its connection is gone; `onFinal` still follows. */
  onCancelled?(): void;
}

/** Where a 3xx points, as targets; `contacts` are its Contact URIs, best first. None: the 3xx is the answer. */
export type Redirect = (contacts: readonly string[]) => Promise<readonly ProxyTarget[]>;

export interface RespondDecision {
  readonly kind: 'respond';
  readonly status: number;
  readonly reason?: string;
  readonly headers?: readonly HeaderField[];
  readonly gate?: ResponseGate;
  /**
   * For senders who have proved nothing: over UDP neither kept nor sent again (RFC 3261 §8.2.7), and never more than 1.5
   * times the request, if need be without `headers`, or, being a challenge, not at all.
   */
  readonly stateless?: boolean;
}

/** What else changes on the way. */
export interface RequestEdit {
  /** Headers in canonical lower case; Via, Route and what makes up the dialog are not touched. */
  readonly remove: readonly string[];
  readonly add: readonly HeaderField[];
  /** The value of From instead of the one that came; its tag must be the same. */
  readonly from?: string;
}

export interface ForwardDecision {
  readonly kind: 'forward';
  readonly targets: readonly ProxyTarget[];
  readonly edit?: RequestEdit;
  /** Instead of the request's own, of the same type. */
  readonly body?: Uint8Array;
  /** Headers of responses, in canonical lower case, that whoever is asked is not trusted with: they go no further. */
  readonly responseRemove?: readonly string[];
  readonly recordRoute: boolean;
  /** Who sent the request; written into the dialog's flow token. */
  readonly callerIdentity?: string;
  readonly gate?: ResponseGate;
  readonly observer?: ForwardObserver;
  /** What is answered when all that was tried failed for want of a flow. Default 430 (RFC 5626 §5.3.1). */
  readonly flowFailedStatus?: 430 | 480;
  /** Follows redirections (RFC 3261 §16.5). Without it a 3xx goes upstream like any other answer. */
  readonly redirect?: Redirect;
  /** How long an INVITE waits for a phone that lost its flow while it was called to be added again. Default 0. */
  readonly rejoinMs?: number;
}

export type RoutingDecision = RespondDecision | ForwardDecision;

/** Where the owner of the proxy decides. Answering without a promise keeps the call on the fast path. */
export interface ProxyPolicy {
  /** A request without a flow token of this proxy: outside of any dialog, or of one that bypassed it. */
  onRequest(request: SipRequest, transaction: ServerTransaction): RoutingDecision | Promise<RoutingDecision>;
  /** An INVITE outside a dialog that has no hop left: it is answered with what this returns, by default a plain 483. */
  onTooManyHops?(
    request: SipRequest,
    transaction: ServerTransaction,
  ): RespondDecision | Promise<RespondDecision>;
  /** What is answered when a decision failed with this; without an answer it is logged, and the sender gets 500. */
  onFault?(fault: unknown): RespondDecision | undefined;
  /** An ACK of a 2xx whose sender has lost its Route; without a decision it ends here. */
  onRoutelessAck?(ack: SipRequest, source: Flow): RoutingDecision | Promise<RoutingDecision> | undefined;
  /**
   * A request with a flow token whose MAC is right; whether its source may use it is for the policy to say.
   * An ACK has no transaction: it is forwarded to every target (the ones it does not concern ignore it) or dropped.
   */
  onInDialog(
    request: SipRequest,
    source: Flow,
    token: FlowTokenContents,
    transaction: ServerTransaction | undefined,
  ): RoutingDecision | Promise<RoutingDecision>;
}

import type { Logger } from '../../base/index.ts';
import {
  findSdp,
  type MediaParty,
  type MediaRefusal,
  type MediaResult,
  SdpError,
  withSdp,
} from '../../media/index.ts';
import {
  type ClientState,
  type ClientTransaction,
  type ClientTransactionHandler,
  createResponse,
  type Flow,
  type HeaderField,
  headerValue,
  type ProxyTransactions,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from '../../sip/index.ts';
import type { MediaBranch } from './media-branch.ts';
import type { MediaCalls } from './media-calls.ts';

export interface AnchoredTransactionOptions {
  readonly transactions: ProxyTransactions;
  readonly calls: MediaCalls;
  readonly logger: Logger;
  readonly onRefused: (refusal: MediaRefusal) => void;
  readonly request: SipRequest;
  readonly flow: Flow;
  readonly handler: ClientTransactionHandler;
  readonly branch: MediaBranch;
  readonly from: MediaParty;
  /** An INVITE that begins a call: the branch ends with it unless it is answered. */
  readonly begins: boolean;
}

/** A request whose descriptions, and those of its responses, are anchored on their way; nothing overtakes another. */
export class AnchoredTransaction implements ClientTransaction, ClientTransactionHandler {
  readonly #options: AnchoredTransactionOptions;
  #sent: ClientTransaction | undefined;
  #cancelled = false;
  #offered = false;
  #answered = false;
  /** What was made of a description of a response; it comes again with each retransmission of a 2xx. */
  #last:
    | { readonly sdp: Uint8Array; readonly tag: string; readonly result: Promise<MediaResult | undefined> }
    | undefined;
  /** The callbacks that wait for a description to be anchored. */
  #waiting: Promise<void> | undefined;

  constructor(options: AnchoredTransactionOptions) {
    this.#options = options;
  }

  get flow(): Flow {
    return this.#options.flow;
  }

  get state(): ClientState {
    return this.#sent?.state ?? 'calling';
  }

  begin(): this {
    const { request, branch, from } = this.#options;
    const part = partOf(request);
    if (part === undefined) this.#send(request);
    else {
      const sdp = request.body.subarray(part.start, part.end);
      const tag = calleeTagOf(request, from);
      const answers = branch.isAnswer(from) && request.method === 'PRACK';
      this.#offered = !answers;
      const result = answers ? branch.answer(from, sdp, true, tag) : branch.offer(from, sdp, tag);
      this.#then(result, (outcome) => this.#proceed(outcome, part));
    }
    return this;
  }

  cancel(headers?: readonly HeaderField[]): void {
    this.#cancelled = true;
    this.#sent?.cancel(headers);
  }

  onResponse(response: SipResponse): void {
    const { branch, from } = this.#options;
    const { tag } = response.to;
    if (tag !== undefined && from === 'caller' && response.status > 100 && response.status < 300)
      branch.isKnownBy(tag);
    const part = response.status > 100 && response.status < 300 ? partOf(response) : undefined;
    if (part === undefined) this.#inTurn(() => this.#deliver(response));
    else {
      const sdp = response.body.subarray(part.start, part.end);
      this.#then(this.#anchor(response, sdp), (result) =>
        this.#deliver(result?.kind === 'anchored' ? edited(response, part, result.sdp) : response, result),
      );
    }
  }

  onTimeout(): void {
    this.#inTurn(() => {
      this.#failed();
      this.#options.handler.onTimeout();
    });
  }

  onTransportError(): void {
    this.#inTurn(() => {
      this.#failed();
      this.#options.handler.onTransportError();
    });
  }

  #proceed(result: MediaResult | undefined, part: NonNullable<ReturnType<typeof partOf>>): void {
    const { request, flow, branch } = this.#options;
    if (result?.kind === 'refused') {
      this.#options.onRefused(result);
      // Not 503: that would speak of the next hop, which has not been asked.
      this.#refuse(result.fault === 'unacceptable' ? 488 : 500, result.reason);
    } else if (this.#cancelled || branch.call.over) this.#refuse(487);
    else if (!flow.open) this.onTransportError();
    else this.#send(result === undefined ? request : edited(request, part, result.sdp));
  }

  #send(request: SipRequest): void {
    const { transactions, flow } = this.#options;
    this.#sent = transactions.send(request, flow, this);
    if (this.#cancelled) this.#sent?.cancel();
  }

  /** As if the other side had said it: the request has not left. */
  #refuse(status: number, reason?: string): void {
    this.#deliver(
      createResponse(this.#options.request, status, reason, { toTag: this.#options.branch.session }),
    );
  }

  /** The responder's description: an answer to what the request offered, else an offer of its own. */
  #anchor(response: SipResponse, sdp: Uint8Array): Promise<MediaResult | undefined> {
    const { branch, from, request } = this.#options;
    const responder: MediaParty = from === 'caller' ? 'callee' : 'caller';
    const tag = from === 'caller' ? (response.to.tag ?? '') : (request.from.tag ?? '');
    const last = this.#last;
    if (last !== undefined && last.tag === tag && Buffer.compare(last.sdp, sdp) === 0) return last.result;
    const result = this.#offered
      ? branch.answer(responder, sdp, response.status >= 200, tag)
      : branch.offer(responder, sdp, tag);
    this.#last = { sdp: Uint8Array.from(sdp), tag, result };
    return result;
  }

  #deliver(response: SipResponse, result?: MediaResult): void {
    if (result?.kind === 'refused') {
      // Too late to decline: the parties hear each other only if they can without us.
      this.#options.logger.warn(
        { callId: response.callId, reason: result.reason },
        'media could not be anchored',
      );
      this.#options.onRefused(result);
    }
    if (response.status >= 200 && response.status < 300) this.#answered = true;
    else if (response.status >= 300) this.#failed();
    this.#options.handler.onResponse(response);
  }

  #failed(): void {
    const { branch, begins, calls } = this.#options;
    if (this.#answered) return;
    if (this.#offered) branch.declined();
    if (begins) void calls.release(branch);
  }

  /** At once when nothing waits, else when its turn comes. */
  #inTurn(act: () => void): void {
    if (this.#waiting === undefined) act();
    else this.#then(Promise.resolve(undefined), act);
  }

  #then<T>(result: Promise<T>, act: (result: T) => void): void {
    const before = this.#waiting ?? Promise.resolve();
    const turn = before.then(async () => {
      act(await result);
      if (this.#waiting === turn) this.#waiting = undefined;
    });
    this.#waiting = turn;
  }
}

/** Undefined also for a body that cannot be taken apart: it passes as any other. */
export function partOf(message: SipMessage): ReturnType<typeof findSdp> {
  if (message.body.length === 0) return undefined;
  try {
    return findSdp(headerValue(message, 'content-type'), message.body);
  } catch (error) {
    if (error instanceof SdpError) return undefined;
    throw error;
  }
}

function edited<M extends SipMessage>(
  message: M,
  part: NonNullable<ReturnType<typeof partOf>>,
  sdp: Uint8Array,
): M {
  return { ...message, body: withSdp(message.body, part, sdp) };
}

function calleeTagOf(request: SipRequest, from: MediaParty): string | undefined {
  return from === 'caller' ? request.to.tag : request.from.tag;
}

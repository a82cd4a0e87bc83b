import type { Logger } from '../../base/index.ts';
import {
  type MediaParty,
  type MediaRefusal,
  type MediaResult,
  type SdpPart,
  withSdp,
} from '../../media/index.ts';
import {
  type ClientState,
  type ClientTransaction,
  type ClientTransactionHandler,
  createResponse,
  type Flow,
  type HeaderField,
  type LateAnswers,
  type ProxyTransactions,
  type SipRequest,
  type SipResponse,
} from '../../sip/index.ts';
import { AnchoredResponses } from './anchored-responses.ts';
import type { MediaBranch } from './media-branch.ts';
import type { MediaCalls } from './media-calls.ts';
import { partOf } from './message-part.ts';

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
  readonly #responses: AnchoredResponses;
  #sent: ClientTransaction | undefined;
  #cancelled = false;
  #answered = false;
  /** The callbacks that wait for a description to be anchored. */
  #waiting: Promise<void> | undefined;

  constructor(options: AnchoredTransactionOptions) {
    this.#options = options;
    const { branch, from, request } = options;
    this.#responses =
      from === 'caller'
        ? new AnchoredResponses(branch, 'callee', undefined)
        : new AnchoredResponses(branch, 'caller', request.from.tag);
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
      const tag = from === 'caller' ? request.to.tag : request.from.tag;
      // RFC 3262 §5: a PRACK answers what a reliable provisional response offered.
      const answers = request.method === 'PRACK' && branch.isAnswer(from);
      this.#responses.offered = !answers;
      const result = answers ? branch.answer(from, sdp, true, tag) : branch.offer(from, sdp, tag);
      this.#then(result, (outcome) => this.#proceed(outcome, part));
    }
    return this;
  }

  cancel(headers?: readonly HeaderField[]): void {
    this.#cancelled = true;
    this.#sent?.cancel(headers);
  }

  /** What comes late is anchored too; of this transaction nothing else is kept. */
  linger(late: LateAnswers, caller: Flow, note: string): void {
    const responses = this.#responses;
    const hears: LateAnswers = {
      onAnswer: (answer, settled) => {
        const anchored = responses.anchor(answer);
        if (anchored === undefined) late.onAnswer(answer, settled);
        else void anchored.then(({ response }) => late.onAnswer(response, settled));
      },
    };
    this.#sent?.linger(hears, caller, note);
  }

  onResponse(response: SipResponse): void {
    const anchored = this.#responses.anchor(response);
    if (anchored === undefined) this.#inTurn(() => this.#deliver(response));
    else this.#then(anchored, ({ response: edited, result }) => this.#deliver(edited, result));
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

  #proceed(result: MediaResult | undefined, part: SdpPart): void {
    const { request, flow, branch, onRefused } = this.#options;
    if (result?.kind === 'refused') {
      onRefused(result);
      // Not 503: that would speak of the next hop, which has not been asked.
      this.#refuse(result.fault === 'unacceptable' ? 488 : 500, result.reason);
    } else if (this.#cancelled || branch.call.over) this.#refuse(487);
    else if (!flow.open) this.onTransportError();
    else
      this.#send(
        result === undefined ? request : { ...request, body: withSdp(request.body, part, result.sdp) },
      );
  }

  #send(request: SipRequest): void {
    const { transactions, flow } = this.#options;
    this.#sent = transactions.send(request, flow, this);
  }

  /** As if the other side had said it: the request has not left. */
  #refuse(status: number, reason?: string): void {
    const { request, branch } = this.#options;
    this.#deliver(createResponse(request, status, reason, { toTag: branch.session }));
  }

  #deliver(response: SipResponse, result?: MediaResult): void {
    const { logger, onRefused, handler } = this.#options;
    if (result?.kind === 'refused') {
      // Too late to decline: the parties hear each other only if they can without us.
      logger.warn({ callId: response.callId, reason: result.reason }, 'media could not be anchored');
      onRefused(result);
    }
    if (response.status >= 300) this.#failed();
    else if (response.status >= 200) this.#answered = true;
    handler.onResponse(response);
  }

  #failed(): void {
    const { branch, begins, calls } = this.#options;
    if (this.#answered) return;
    if (this.#responses.offered) branch.concluded();
    if (begins) calls.release(branch);
  }

  /** At once when nothing waits, else when its turn comes. */
  #inTurn(act: () => void): void {
    if (this.#waiting === undefined) act();
    else this.#then(Promise.resolve(), act);
  }

  #then<T>(result: Promise<T>, act: (result: T) => void): void {
    const before = this.#waiting ?? Promise.resolve();
    const turn = before.then(async () => {
      const settled = await result;
      if (this.#waiting === turn) this.#waiting = undefined;
      act(settled);
    });
    this.#waiting = turn;
  }
}

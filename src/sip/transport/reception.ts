import type { Logger } from '../../base/index.ts';
import {
  type ExcessBytes,
  type MessageLimits,
  parseMessage,
  reasonPhrase,
  replaceTopVia,
  SipParseError,
  type SipRequest,
  serializeRejection,
  withViaSource,
} from '../message/index.ts';
import type { Flow, TransportUser } from './flow.ts';
import { withoutZone } from './ip-address.ts';
import { countReason, type Tally } from './statistics.ts';

export interface ReceptionOptions {
  readonly limits: MessageLimits;
  readonly logger: Logger;
}

/** What became of a message: handed up, or malformed (and answered where that was possible). */
export type ReceptionResult = 'delivered' | 'malformed';

/**
 * The error boundary of all sockets: bytes of one message in, a request or response with its source noted handed
 * up. Nothing that the network sends or the layers above throw gets past it.
 */
export class Reception {
  readonly #limits: MessageLimits;
  readonly #logger: Logger;
  #user: TransportUser | undefined;

  constructor(options: ReceptionOptions) {
    this.#limits = options.limits;
    this.#logger = options.logger;
  }

  setUser(user: TransportUser | undefined): void {
    this.#user = user;
  }

  /** One whole message: a datagram, a WebSocket message, or what the framer cut out of a stream. */
  receive(bytes: Uint8Array, flow: Flow, tally: Tally, excess: ExcessBytes = 'ignore'): ReceptionResult {
    try {
      const message = parseMessage(bytes, this.#limits, excess);
      tally.messagesIn++;
      if (message.kind === 'request') this.#user?.onRequest(withSource(message, flow), flow);
      else this.#user?.onResponse(message, flow);
      return 'delivered';
    } catch (error) {
      if (error instanceof SipParseError) {
        this.refuse(error, flow, tally);
        return 'malformed';
      }
      this.fail(error, flow, tally);
      return 'delivered';
    }
  }

  /** Counts a malformed message and answers it when it was a request that shows where the answer belongs. */
  refuse(fault: SipParseError, flow: Flow, tally: Tally): void {
    countReason(tally.parseErrors, fault.code);
    if (this.#logger.debugEnabled) {
      const { id: flowId, transport, remote } = flow;
      this.#logger.debug(
        { flowId, transport, remote, code: fault.code, fault: fault.message },
        'malformed SIP',
      );
    }
    const answer = serializeRejection(fault, `${reasonPhrase(fault.status)} (${fault.code})`);
    if (answer !== undefined) flow.send(answer);
  }

  /** A defect above us costs one message, not the process. */
  fail(error: unknown, flow: Flow, tally: Tally): void {
    tally.userFailures++;
    const { id: flowId, transport } = flow;
    this.#logger.error({ flowId, transport, error }, 'a received message could not be handled');
  }

  flowOpened(flow: Flow, tally: Tally): void {
    try {
      this.#user?.onFlowOpen?.(flow);
    } catch (error) {
      this.fail(error, flow, tally);
    }
  }

  flowClosed(flow: Flow, reason: string, tally: Tally): void {
    try {
      this.#user?.onFlowClosed(flow, reason);
    } catch (error) {
      this.fail(error, flow, tally);
    }
  }
}

/** RFC 3261 §18.2.1 and RFC 3581 §4: the top Via says where the request really came from. */
function withSource(request: SipRequest, flow: Flow): SipRequest {
  const via = withViaSource(request.via, withoutZone(flow.remote.address), flow.remote.port);
  return via === request.via ? request : replaceTopVia(request, via);
}

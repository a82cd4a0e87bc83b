import type { Logger } from '../../base/index.ts';
import {
  type ExcessBytes,
  hasParam,
  type MessageLimits,
  paramValue,
  parseMessage,
  reasonPhrase,
  replaceTopVia,
  SipParseError,
  type SipRequest,
  serializeRejection,
  type Via,
  withViaParam,
  withViaSource,
} from '../message/index.ts';
import type { Flow, TransportUser } from './flow.ts';
import { withoutZone } from './ip-address.ts';
import { earnedPerByte } from './limits.ts';
import { countReason, type Tally } from './statistics.ts';

export interface ReceptionOptions {
  readonly limits: MessageLimits;
  readonly logger: Logger;
  /** Seconds between the keepalives of a phone that offers them (RFC 6223). */
  readonly keepSeconds: { readonly udp: number; readonly stream: number };
  /** A TLS peer whose certificate was verified calls its connection an alias of its own address (RFC 5923). */
  readonly onAlias: (flow: Flow, via: Via) => void;
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
  readonly #options: ReceptionOptions;
  #user: TransportUser | undefined;

  constructor(options: ReceptionOptions) {
    this.#options = options;
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
      if (message.kind === 'request') this.#receiveRequest(message, flow, bytes.length);
      else this.#user?.onResponse(message, flow);
      return 'delivered';
    } catch (error) {
      if (error instanceof SipParseError) {
        this.refuse(error, flow, tally, bytes.length);
        return 'malformed';
      }
      this.fail(error, flow, tally);
      return 'delivered';
    }
  }

  #receiveRequest(request: SipRequest, flow: Flow, wireBytes: number): void {
    const { keepSeconds, onAlias } = this.#options;
    if (flow.peerCertificate?.authorized === true && hasParam(request.via.params, 'alias'))
      onAlias(flow, request.via);
    const seconds = flow.reliable ? keepSeconds.stream : keepSeconds.udp;
    const noted = withSource(withKeepValue(request, seconds), flow);
    this.#user?.onRequest(flow.reliable ? noted : { ...noted, wireBytes }, flow);
  }

  /**
   * Counts a malformed message and answers it when it was a request that shows where the answer belongs; over UDP, where
   * the source may be forged, with no more than 1.5 times its bytes.
   */
  refuse(
    fault: SipParseError,
    flow: Flow,
    tally: Tally,
    receivedBytes: number = Number.POSITIVE_INFINITY,
  ): void {
    countReason(tally.parseErrors, fault.code);
    if (this.#logger.debugEnabled) {
      const { id: flowId, transport, remote } = flow;
      this.#logger.debug(
        { flowId, transport, remote, code: fault.code, fault: fault.message },
        'malformed SIP',
      );
    }
    const answer = serializeRejection(fault, `${reasonPhrase(fault.status)} (${fault.code})`);
    const affordable = flow.reliable ? Number.POSITIVE_INFINITY : earnedPerByte * receivedBytes;
    if (answer !== undefined && answer.length <= affordable) flow.send(answer);
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

/** Requests in which a peer may offer keepalives: they register or open a dialog (RFC 6223 §4.1). */
const keepMethods: ReadonlySet<string> = new Set(['REGISTER', 'INVITE', 'SUBSCRIBE', 'REFER']);

/** RFC 6223 §4.4: the offer is taken by giving it a value; the response carries it back in the same Via. */
function withKeepValue(request: SipRequest, seconds: number): SipRequest {
  if (!keepMethods.has(request.method)) return request;
  const { via } = request;
  // '' is a parameter without a value.
  if (paramValue(via.params, 'keep') !== '') return request;
  return replaceTopVia(request, withViaParam(via, 'keep', String(seconds)));
}

/** RFC 3261 §18.2.1 and RFC 3581 §4: the top Via says where the request really came from. */
function withSource(request: SipRequest, flow: Flow): SipRequest {
  const via = withViaSource(request.via, withoutZone(flow.remote.address), flow.remote.port);
  return via === request.via ? request : replaceTopVia(request, via);
}

import type { Logger } from '../../base/index.ts';
import { defaultLocatingLimits, requestBytes } from '../locating/index.ts';
import type { SipRequest } from '../message/index.ts';
import type { Flow } from '../transport/index.ts';

export interface DatagramGuardOptions {
  readonly maxUdpRequestBytes?: number;
  readonly logger: Logger;
}

/** RFC 3261 §18.1.1: finds requests that a datagram cannot carry without being cut into fragments. */
export class DatagramGuard {
  readonly #maxBytes: number;
  readonly #logger: Logger;
  /** Flows that have had their warning. */
  readonly #warned = new WeakSet<Flow>();

  constructor(options: DatagramGuardOptions) {
    this.#maxBytes = options.maxUdpRequestBytes ?? defaultLocatingLimits.maxUdpRequestBytes;
    this.#logger = options.logger;
  }

  exceeds(request: SipRequest, flow: Flow): boolean {
    return !flow.reliable && requestBytes(request) > this.#maxBytes;
  }

  /** Says once for each flow why what is sent may not arrive: a phone's UDP flow cannot change its transport. */
  warn(request: SipRequest, flow: Flow): void {
    if (flow.reliable || this.#warned.has(flow) || !this.exceeds(request, flow)) return;
    this.#warned.add(flow);
    this.#logger.warn(
      {
        flow: flow.id,
        remote: flow.remote,
        method: request.method,
        bytes: requestBytes(request),
        maxBytes: this.#maxBytes,
      },
      'a request this large is fragmented over UDP, which many networks drop; TCP, TLS or WebSocket carry it',
    );
  }
}

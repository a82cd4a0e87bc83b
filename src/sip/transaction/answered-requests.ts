import type { Clock } from '../../base/index.ts';
import type { Flow } from '../transport/index.ts';
import { Lingering } from './lingering.ts';

/**
 * Requests with their final answer, of which nothing is left but to meet retransmissions for a while: those of the
 * request where the answer was ours, those of the answer where the request was.
 */
export class AnsweredRequests {
  readonly #requests: Lingering<[flow: Flow]>;

  constructor(clock: Clock) {
    this.#requests = new Lingering(clock, 1);
  }

  get size(): number {
    return this.#requests.size;
  }

  /**
   * `answer` is latin1 text, the ACK where the request was ours; undefined where retransmissions are only absorbed: after
   * a 2xx (RFC 6026 §7.1), an ACK, or the final response to anything but an INVITE.
   */
  keep(
    { key, flow }: { readonly key: string; readonly flow: Flow },
    answer: string | undefined,
    durationMs: number,
  ): void {
    this.#requests.keep(key, [flow], answer, durationMs);
  }

  /** Sends the answer again; false when there was no such request. */
  meetRetransmission(key: string): boolean {
    const request = this.#requests.get(key);
    if (request === undefined) return false;
    if (request.text !== undefined) request.objects[0].send(request.text);
    return true;
  }

  flowOf(key: string): Flow | undefined {
    return this.#requests.get(key)?.objects[0];
  }

  forget(key: string): void {
    this.#requests.forget(key);
  }

  clear(): void {
    this.#requests.clear();
  }
}

import {
  callIdOf,
  field,
  fieldLines,
  isResponse,
  message,
  methodOf,
  newBranch,
  sessionDescription,
  statusOf,
} from './sip-text.ts';
import type { Wire } from './wire.ts';

/** A request that waits for its final response. One Call-ID has at most one. */
export interface Exchange {
  readonly text: string;
  readonly wire: Wire;
  /** Of final responses, once; status 0 when none came in time. */
  readonly onFinal: (text: string, status: number) => void;
}

interface Waiting extends Exchange {
  readonly since: number;
  answered: boolean;
  sends: number;
}

const firstResendMs = 500;
const giveUpMs = 10_000;
const sweepMs = 100;

/** Where everything that the phones receive comes together: answers find their requests, calls are answered. */
export class Switchboard {
  /** Messages that this side sent again, and requests that came to it again. */
  retransmissions = 0;
  /** Called with the Call-ID when an INVITE reaches a phone. */
  onInvite: (callId: string) => void = () => {};
  readonly #waiting = new Map<string, Waiting>();
  /** Calls that a phone has answered and that go on; the value is their INVITE's branch. */
  readonly #answered = new Map<string, string>();

  constructor() {
    setInterval(() => this.#sweep(), sweepMs).unref();
  }

  readonly receive = (text: string, wire: Wire): void => {
    if (isResponse(text)) this.#onResponse(text);
    else this.#answer(text, wire);
  };

  #onResponse(text: string): void {
    const callId = callIdOf(text);
    const waiting = this.#waiting.get(callId);
    if (waiting === undefined) return;
    // The 200 of an INVITE that came again while its BYE is under way.
    if (field(text, 'CSeq') !== field(waiting.text, 'CSeq')) {
      if (statusOf(text) >= 200) this.retransmissions++;
      return;
    }
    waiting.answered = true;
    const status = statusOf(text);
    if (status < 200) return;
    this.#waiting.delete(callId);
    waiting.onFinal(text, status);
  }

  send(exchange: Exchange): void {
    this.#waiting.set(callIdOf(exchange.text), {
      ...exchange,
      since: performance.now(),
      answered: false,
      sends: 1,
    });
    exchange.wire.send(exchange.text);
  }

  /** UDP loses messages without a word: RFC 3261 §17.1.1.2, with timer A only. */
  #sweep(): void {
    const now = performance.now();
    for (const [callId, waiting] of this.#waiting) {
      const age = now - waiting.since;
      if (age > giveUpMs) {
        this.#waiting.delete(callId);
        waiting.onFinal('', 0);
      } else if (
        waiting.wire.transport === 'udp' &&
        !waiting.answered &&
        age > firstResendMs * (2 ** waiting.sends - 1)
      ) {
        this.retransmissions++;
        waiting.sends++;
        waiting.wire.send(waiting.text);
      }
    }
  }

  /** A phone rings, answers and hangs up when it is told to. */
  #answer(request: string, wire: Wire): void {
    const method = methodOf(request);
    const callId = callIdOf(request);
    if (method === 'ACK') return;
    if (method !== 'INVITE') {
      this.#answered.delete(callId);
      wire.send(response(request, '200 OK', []));
      return;
    }
    const via = field(request, 'Via');
    if (this.#answered.get(callId) === via) this.retransmissions++;
    else this.onInvite(callId);
    this.#answered.set(callId, via);
    const { transport, address, port } = wire;
    const dialog = [`Contact: <sip:phone@${address}:${port};transport=${transport}>`];
    wire.send(response(request, '180 Ringing', dialog));
    wire.send(response(request, '200 OK', dialog, sessionDescription(address)));
  }
}

function response(request: string, status: string, lines: readonly string[], body = ''): string {
  const to = field(request, 'To');
  const copied = fieldLines(request, 'Via') + fieldLines(request, 'Record-Route');
  return message(
    `SIP/2.0 ${status}`,
    [
      copied.slice(0, -2),
      `From: ${field(request, 'From')}`,
      `To: ${to.includes(';tag=') ? to : `${to};tag=${newBranch()}`}`,
      `Call-ID: ${callIdOf(request)}`,
      `CSeq: ${field(request, 'CSeq')}`,
      ...lines,
    ],
    body,
  );
}

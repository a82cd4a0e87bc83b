import { type SipMessage, serializeMessage } from '../../src/sip/index.ts';

interface Waiting {
  readonly wants: (message: SipMessage) => boolean;
  readonly give: (message: SipMessage) => void;
}

/** How long a message is waited for before the test fails. */
const usualPatienceMs = 5_000;

/** What a user agent has received: each message is taken once, by whoever waits for its like. */
export class SipInbox {
  /** Everything, in the order of arrival, retransmissions included. */
  readonly all: SipMessage[] = [];
  readonly #owner: string;
  readonly #unread: SipMessage[] = [];
  readonly #waiting = new Set<Waiting>();
  readonly #seen = new Set<string>();
  readonly #patienceMs: number;

  constructor(owner: string, patienceMs: number = usualPatienceMs) {
    this.#owner = owner;
    this.#patienceMs = patienceMs;
  }

  arrive(message: SipMessage): void {
    this.all.push(message);
    if (message.kind === 'request' && this.#isRetransmission(message)) return;
    for (const waiting of this.#waiting) {
      if (!waiting.wants(message)) continue;
      this.#waiting.delete(waiting);
      waiting.give(message);
      return;
    }
    this.#unread.push(message);
  }

  /** The first message that nobody has taken and that `wants` accepts, now or when it comes. */
  take<M extends SipMessage>(what: string, wants: (message: SipMessage) => message is M): Promise<M> {
    const at = this.#unread.findIndex(wants);
    const [found] = at < 0 ? [] : this.#unread.splice(at, 1);
    if (found !== undefined && wants(found)) return Promise.resolve(found);
    const { promise, resolve, reject } = Promise.withResolvers<M>();
    const timer = setTimeout(() => {
      this.#waiting.delete(waiting);
      reject(new Error(`${this.#owner} waited in vain for ${what}; it has received: ${this.#summary()}`));
    }, this.#patienceMs);
    const waiting: Waiting = {
      wants,
      give: (message) => {
        clearTimeout(timer);
        if (wants(message)) resolve(message);
      },
    };
    this.#waiting.add(waiting);
    return promise;
  }

  /** What has come and nobody has taken. */
  get unread(): readonly SipMessage[] {
    return this.#unread;
  }

  #isRetransmission(message: SipMessage): boolean {
    const key = Buffer.from(serializeMessage(message)).toString('latin1');
    if (this.#seen.has(key)) return true;
    this.#seen.add(key);
    return false;
  }

  #summary(): string {
    return this.all
      .map((message) => (message.kind === 'request' ? message.method : `${message.status} ${message.reason}`))
      .join(', ');
  }
}

import {
  type Call,
  Softphone,
  type SoftphoneEvent,
  type SoftphoneOptions,
} from '../../src/softphone/index.ts';
import type { KeyIdentity } from '../support/sip-agent.ts';
import { newIdentity } from '../support/test-gateway.ts';

/** How long an event is waited for before the test fails. */
const patienceMs = 5_000;

type Kind = SoftphoneEvent['kind'];
type EventOf<K extends Kind, E = SoftphoneEvent> = E extends { readonly kind: infer Kinds }
  ? K extends Kinds
    ? E
    : never
  : never;

export interface ProbedPhoneOptions
  extends Partial<Omit<SoftphoneOptions, 'token' | 'key' | 'gateway' | 'onEvent'>> {
  /** Port of a WebSocket listener on this machine. */
  readonly port: number;
  /** A fresh `jis:<name>`, unless `identity` says otherwise. */
  readonly name?: string;
  readonly identity?: KeyIdentity;
  /** Answers what comes. */
  readonly answers?: boolean;
}

/** A softphone whose events are taken one by one. */
export class ProbedPhone {
  readonly phone: Softphone;
  readonly identity: KeyIdentity;
  /** Everything that has happened. */
  readonly events: SoftphoneEvent[] = [];
  readonly #unread: SoftphoneEvent[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(options: ProbedPhoneOptions) {
    const { port, name = 'alice', identity = newIdentity(`jis:${name}`), answers, ...others } = options;
    this.identity = identity;
    this.phone = new Softphone({
      domain: 'sip.test',
      ...others,
      ...identity,
      gateway: `ws://127.0.0.1:${port}`,
      onEvent: (event) => {
        this.events.push(event);
        this.#unread.push(event);
        if (answers && event.kind === 'incoming') void event.call.answer();
        for (const wake of this.#waiting) wake();
      },
    });
  }

  /** One that is connected and registered. */
  static async register(options: ProbedPhoneOptions): Promise<ProbedPhone> {
    const phone = new ProbedPhone(options);
    await phone.phone.start();
    await phone.next('registered');
    return phone;
  }

  /** The kinds of all events, in order. */
  get story(): readonly Kind[] {
    return this.events.map(({ kind }) => kind);
  }

  /** The oldest event of a kind that nobody has taken, now or when it comes. */
  async next<K extends Kind>(kind: K): Promise<EventOf<K>> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const at = this.#unread.findIndex((event) => event.kind === kind);
      const [found] = at < 0 ? [] : this.#unread.splice(at, 1);
      if (found !== undefined) return found as EventOf<K>;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`waited in vain for ${kind}; there was ${this.story.join(', ')}`);
      await this.#wake(leftMs);
    }
  }

  /** Calls and waits until the other side has answered. */
  async callAnswered(target: string, intent?: string): Promise<Call> {
    const call = await this.phone.call(target, intent);
    await this.next('answered');
    return call;
  }

  close(): Promise<void> {
    return this.phone.close();
  }

  #wake(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.#waiting.add(wake);
    });
  }
}

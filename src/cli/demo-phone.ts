import { type Call, Softphone, type SoftphoneEvent } from '../softphone/index.ts';
import { loadIdentity } from '../tokens/index.ts';

/** Nothing in the demo takes longer on one machine. */
const patienceMs = 5_000;

/** A softphone that answers every call, told as promises instead of events. */
export class DemoPhone {
  readonly fingerprint: string;
  readonly publicKey: Uint8Array;
  readonly #phone: Softphone;
  readonly #seen: SoftphoneEvent[] = [];
  readonly #waiting = new Set<() => void>();
  #placed: Call | undefined;

  private constructor(identity: Awaited<ReturnType<typeof loadIdentity>>, gateway: string) {
    const { token, key } = identity;
    this.fingerprint = token.fingerprint;
    this.publicKey = token.publicKey;
    this.#phone = new Softphone({ token, key, gateway, onEvent: (event) => this.#on(event) });
  }

  /** Registers the identity in `file`; rejects with the status line when the gateway refuses. */
  static async start(file: string, gateway: string): Promise<DemoPhone> {
    const phone = new DemoPhone(await loadIdentity(file), gateway);
    try {
      await phone.#phone.start();
      const event = await phone.#first(
        ({ kind }) => kind === 'registered' || kind === 'refused',
        'the registration',
      );
      if (event.kind === 'refused') throw new Error(`${event.status} ${event.reason}`);
      return phone;
    } catch (error) {
      await phone.close();
      throw error;
    }
  }

  /** Resolves when the other side has answered. */
  async call(target: string, intent: string): Promise<void> {
    const call = await this.#phone.call(target, intent);
    this.#placed = call;
    const event = await this.#first(
      (seen) => about(seen, call, 'answered', 'ended'),
      `an answer of ${target}`,
    );
    if (event.kind === 'ended') throw new Error(`${target}: ${event.status ?? ''} ${event.reason}`);
  }

  /** The oldest call that nobody has asked for yet: this phone has answered it. */
  async answered(): Promise<Call> {
    const incoming = await this.#first(({ kind }) => kind === 'incoming', 'an incoming call');
    if (incoming.kind !== 'incoming') throw new Error('not an incoming call');
    await this.#first((seen) => about(seen, incoming.call, 'answered'), 'the call to be up');
    return incoming.call;
  }

  /** Ends the call that this phone has placed last. */
  async hangUp(): Promise<void> {
    await this.#placed?.hangUp();
  }

  /** Resolves when the other side has ended `call`. */
  async ended(call: Call): Promise<void> {
    await this.#first((seen) => about(seen, call, 'ended'), 'the end of the call');
  }

  close(): Promise<void> {
    return this.#phone.close();
  }

  #on(event: SoftphoneEvent): void {
    this.#seen.push(event);
    if (event.kind === 'incoming') event.call.answer().catch(() => {});
    for (const wake of this.#waiting) wake();
  }

  /** The oldest event that `wanted` accepts, taken out of what was seen. */
  async #first(wanted: (event: SoftphoneEvent) => boolean, what: string): Promise<SoftphoneEvent> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const at = this.#seen.findIndex(wanted);
      const [found] = at < 0 ? [] : this.#seen.splice(at, 1);
      if (found !== undefined) return found;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`waited in vain for ${what}`);
      await this.#next(leftMs);
    }
  }

  #next(timeoutMs: number): Promise<void> {
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

function about(event: SoftphoneEvent, call: Call, ...kinds: readonly SoftphoneEvent['kind'][]): boolean {
  return 'call' in event && event.call === call && kinds.includes(event.kind);
}

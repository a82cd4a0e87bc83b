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
    await phone.#phone.start();
    const event = await phone.#first('registered', 'refused');
    if (event.kind !== 'refused') return phone;
    await phone.close();
    throw new Error(`${event.status} ${event.reason}`);
  }

  /** Resolves when the other side has answered. */
  async call(target: string, intent: string): Promise<void> {
    this.#placed = await this.#phone.call(target, intent);
    const event = await this.#first('answered', 'ended');
    if (event.kind === 'ended') throw new Error(`${target}: ${event.status ?? ''} ${event.reason}`);
  }

  /** The call that this phone has answered last, or will answer next. */
  async answered(): Promise<Call> {
    const event = await this.#first('incoming');
    if (event.kind !== 'incoming') throw new Error('not an incoming call');
    return event.call;
  }

  async hangUp(): Promise<void> {
    await this.#placed?.hangUp();
    await this.#first('ended');
  }

  close(): Promise<void> {
    return this.#phone.close();
  }

  #on(event: SoftphoneEvent): void {
    this.#seen.push(event);
    if (event.kind === 'incoming') event.call.answer().catch(() => {});
    for (const wake of this.#waiting) wake();
  }

  /** The oldest unread event of these kinds, taken out of what was seen. */
  async #first(...kinds: readonly SoftphoneEvent['kind'][]): Promise<SoftphoneEvent> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const at = this.#seen.findIndex(({ kind }) => kinds.includes(kind));
      if (at >= 0) return this.#seen.splice(0, at + 1)[at] as SoftphoneEvent;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`waited in vain for ${kinds.join(' or ')}`);
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

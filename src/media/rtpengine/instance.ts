import type { Timer } from '../../base/index.ts';
import type { MediaFault } from '../engine.ts';
import type { BencodedDictionary } from './bencode.ts';
import { NgClient, type NgClientOptions } from './ng-client.ts';
import type { NgCommand, NgParameters } from './ng-message.ts';

/** `gone`: the instance does not know the call (any more). `silent`: it has not answered. */
export type NgOutcome =
  | { readonly kind: 'ok'; readonly body: BencodedDictionary }
  | { readonly kind: 'refused'; readonly fault: MediaFault }
  | { readonly kind: 'gone' }
  | { readonly kind: 'silent' };

export interface InstanceOptions extends NgClientOptions {
  /** It answers again, or no longer. */
  readonly onChange: (instance: Instance) => void;
}

/** One rtpengine: asked at intervals whether it is there, and not used for new calls while it is not. */
export class Instance {
  /** `127.0.0.1:22222` */
  readonly name: string;
  readonly #options: InstanceOptions;
  readonly #client: NgClient;
  /** Of the calls whose media it carries. */
  sessions = 0;
  #up = false;
  /** On the monotonic clock. */
  #downSinceMs: number;
  /** How many requests it has answered. */
  #answers = 0;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: InstanceOptions) {
    this.#options = options;
    const { host, port } = options.address;
    this.name = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    this.#client = new NgClient(options);
    this.#downSinceMs = options.clock.monotonicMs();
  }

  get up(): boolean {
    return this.#up;
  }

  /** 0 while it answers. */
  get downForMs(): number {
    return this.#up ? 0 : this.#options.clock.monotonicMs() - this.#downSinceMs;
  }

  /** Resolves once it has answered, or has not. */
  async start(): Promise<void> {
    await this.#client.start();
    await this.#ping();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#client.close();
  }

  async ask(command: NgCommand, parameters?: NgParameters): Promise<NgOutcome> {
    const answersBefore = this.#answers;
    const body = await this.#client.ask(command, parameters);
    if (body !== undefined) this.#answers++;
    // What was lost with a restart says nothing against an instance that has answered since.
    if (!this.#closed) this.#is(this.#answers > answersBefore);
    return body === undefined ? { kind: 'silent' } : outcomeOf(body);
  }

  async #ping(): Promise<void> {
    await this.ask('ping');
    if (this.#closed) return;
    this.#timer = this.#options.clock.setTimer(this.#options.limits.pingIntervalMs, () => void this.#ping());
  }

  #is(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    this.#downSinceMs = this.#options.clock.monotonicMs();
    this.#options.onChange(this);
  }
}

/** The texts are rtpengine's, which has no codes. */
function outcomeOf(body: BencodedDictionary): NgOutcome {
  const result = body.get('result');
  if (result === 'ok' || result === 'pong') return { kind: 'ok', body };
  if (result === 'load limit') return { kind: 'refused', fault: 'exhausted' };
  switch (body.get('error-reason')) {
    case 'Unknown call-id':
    case 'Unknown call-ID':
      return { kind: 'gone' };
    case 'Failed to parse SDP':
    case 'Incomplete SDP specification':
      return { kind: 'refused', fault: 'unacceptable' };
    case 'Ran out of ports':
    case 'Parallel session limit reached':
      return { kind: 'refused', fault: 'exhausted' };
    default:
      return { kind: 'refused', fault: 'unavailable' };
  }
}

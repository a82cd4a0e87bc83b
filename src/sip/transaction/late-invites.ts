import type { Clock } from '../../base/index.ts';
import type { Flow } from '../transport/index.ts';
import type { LateAnswers, SettledInvite } from './client-transaction.ts';
import { Lingering } from './lingering.ts';

/** Our own INVITEs that have their 2xx (Timer M), and who hears of those that still come (RFC 6026 §7.2). */
export class LateInvites {
  readonly #invites: Lingering<[caller: Flow, callee: Flow, hears: LateAnswers]>;

  constructor(clock: Clock) {
    this.#invites = new Lingering(clock, 3);
  }

  get size(): number {
    return this.#invites.size;
  }

  keep(key: string, hears: LateAnswers, { caller, callee, note }: SettledInvite, durationMs: number): void {
    this.#invites.keep(key, [caller, callee, hears], note, durationMs);
  }

  get(key: string): { readonly hears: LateAnswers; readonly settled: SettledInvite } | undefined {
    const kept = this.#invites.get(key);
    if (kept === undefined) return undefined;
    const [caller, callee, hears] = kept.objects;
    return { hears, settled: { caller, callee, note: kept.text?.toString('latin1') ?? '' } };
  }

  clear(): void {
    this.#invites.clear();
  }
}

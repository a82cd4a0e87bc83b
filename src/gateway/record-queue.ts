import type { Clock, Timer } from '../base/index.ts';
import { type AppendResult, ProvenanceError, type RecordDraft } from '../provenance/index.ts';
import type { Audit } from './audit.ts';

/** How long records wait before they are offered again to a log that could not take them. */
const retryMs = 1_000;

/** A record that waits for the disk, and when what it says has happened. */
interface Overdue {
  readonly draft: RecordDraft;
  readonly atMs: number;
}

/**
 * Writes what follows on the attempts of calls. What the log does not take now is offered again until it does, in the
 * order in which it happened; such a record says in `occurred` (EROMHEEN) when that was. No call begins meanwhile, so no
 * more of them wait than the calls that were up when the disk failed still have to leave.
 */
export class RecordQueue {
  readonly #audit: Audit;
  readonly #clock: Clock;
  readonly #overdue: Overdue[] = [];
  #retry: Timer | undefined;

  constructor(options: { readonly audit: Audit; readonly clock: Clock }) {
    this.#audit = options.audit;
    this.#clock = options.clock;
  }

  write(draft: RecordDraft): void {
    this.#offer({ draft, atMs: this.#clock.now() }, draft);
  }

  /** Offers what waits a last time: what the log does not take now, the next start closes. */
  stop(): void {
    this.#retry?.cancel();
    for (const overdue of this.#overdue.splice(0)) this.#append(late(overdue));
  }

  #offer(record: Overdue, draft: RecordDraft): void {
    // Nothing overtakes what waits: a call's records come in their order, or not at all.
    const written = this.#overdue.length > 0 ? 'refused' : this.#append(draft);
    if (written === 'refused') this.#later(record);
    else
      written?.durability.whenSettled((state) => {
        if (state === 'failed') this.#later(record);
      });
  }

  #later(record: Overdue): void {
    this.#overdue.push(record);
    this.#retry ??= this.#clock.setTimer(retryMs, () => {
      this.#retry = undefined;
      for (const overdue of this.#overdue.splice(0)) this.#offer(overdue, late(overdue));
    });
  }

  /** undefined: the call's attempt was lost with the disk, and nothing may follow it. */
  #append(draft: RecordDraft): AppendResult | 'refused' | undefined {
    try {
      return this.#audit.append(draft);
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
      if (error.code === 'unhealthy') return 'refused';
      if (error.code === 'call-closed') return undefined;
      throw error;
    }
  }
}

function late({ draft, atMs }: Overdue): RecordDraft {
  return { ...draft, eromheen: { ...draft.eromheen, occurred: new Date(atMs).toISOString() } };
}

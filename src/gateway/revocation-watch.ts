import { type Clock, encodeBase64Url, type Logger, type Timer } from '../base/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../overlay/index.ts';
import type { Authentication } from './authentication.ts';
import { maxParents } from './authorisation.ts';
import type { CallCutting } from './call-cutting.ts';
import type { Call, CallRecords } from './call-records.ts';
import type { CallTable } from './call-table.ts';

/** How often the store is asked for keys that were revoked, here or at another gateway. */
export const revocationCheckMs = 1_000;

export interface RevocationWatchOptions {
  readonly overlay: IdentityOverlay;
  readonly authentication: Authentication;
  readonly calls: CallTable;
  readonly records: Pick<CallRecords, 'close'>;
  /** Undefined where the parties may go on talking. */
  readonly cutting: CallCutting | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Ends what a revoked key has in progress, and what pseudonyms have that name it as their parent: its phones leave
 * routing, its connections speak for nobody, and its calls are cut. New requests are refused without it: each looks the
 * identity up.
 */
export class RevocationWatch {
  readonly #options: RevocationWatchOptions;
  #seen: ReadonlySet<string> = new Set();
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: RevocationWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setTimer(revocationCheckMs, () => {
      this.#running = this.#look().finally(() => {
        if (this.#timer !== undefined) this.start();
      });
    });
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#running;
  }

  async #look(): Promise<void> {
    const { overlay, logger } = this.#options;
    try {
      const revoked = await overlay.lateRevocations();
      const late = new Set(revoked.filter((key) => !this.#seen.has(key)));
      if (late.size > 0) await this.#end(late);
      // Only then: what could not be ended is tried again.
      this.#seen = new Set(revoked);
    } catch (error) {
      logger.warn({ error: String(error) }, 'revocations could not be looked up yet');
    }
  }

  /** Revocations are rare, so that everything which is up may be looked at: first who calls, then who could. */
  async #end(keys: ReadonlySet<string>): Promise<void> {
    const { overlay, authentication, calls } = this.#options;
    await this.#endAmong(new Set([...authentication.speakers(), ...[...calls].flatMap(partiesOf)]), keys);
    for await (const bound of overlay.boundHere()) await this.#endAmong(bound, keys);
  }

  async #endAmong(fingerprints: Iterable<string>, keys: ReadonlySet<string>): Promise<void> {
    const { overlay, authentication, calls, records, cutting, logger } = this.#options;
    for (const fingerprint of fingerprints) {
      const identity = await overlay.identity(fingerprint);
      if (identity === undefined || !(await this.#rests(identity, keys))) continue;
      authentication.bar(fingerprint);
      await overlay.removeBindingsOf(fingerprint);
      const reason = `${identity.name} was revoked`;
      let ended = 0;
      for (const call of [...calls]) {
        if (!partiesOf(call).includes(fingerprint)) continue;
        const how = cutting?.cut(call, 'Identity Revoked');
        records.close(call, 'interrupted', { by: 'gateway', reason, ...(how && { ended: how }) });
        ended++;
      }
      logger.warn({ identity: identity.name, fingerprint, calls: ended }, 'a revoked identity was put out');
    }
  }

  /** Whether it is one of these keys', or the pseudonym of one. */
  async #rests(identity: IdentityRecord, keys: ReadonlySet<string>): Promise<boolean> {
    let rests: IdentityRecord | undefined = identity;
    for (let level = 0; rests !== undefined && level <= maxParents; level++) {
      if (keys.has(encodeBase64Url(rests.publicKey))) return true;
      rests = rests.parent === undefined ? undefined : await this.#options.overlay.identity(rests.parent);
    }
    return false;
  }
}

function partiesOf({ caller, callee }: Call): readonly string[] {
  return [caller.fingerprint, callee.fingerprint].filter((fingerprint) => fingerprint !== undefined);
}

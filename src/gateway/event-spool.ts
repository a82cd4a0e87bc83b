import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Logger, Timer } from '../base/index.ts';
import { parseSpooledRecord } from '../overlay/index.ts';
import { nodeRevocationEvent, ProvenanceError, type RecordDraft } from '../provenance/index.ts';
import type { Audit } from './audit.ts';
import { type LogRequest, parseLogRequest } from './log-request.ts';

/** How often the spool is looked at. */
const intervalMs = 1_000;

export interface EventSpoolOptions {
  readonly directory: string;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Takes in what the command line did to identities and devices: it cannot write to the log, which belongs to the
 * gateway, and leaves each event as a file. A file goes once its record is durable; a crash in between repeats it.
 */
export class EventSpool {
  readonly #options: EventSpoolOptions;
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: EventSpoolOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await mkdir(this.#options.directory, { recursive: true, mode: 0o700 });
    await this.#drain();
    this.#schedule();
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#running;
  }

  #schedule(): void {
    this.#timer = this.#options.clock.setTimer(intervalMs, () => {
      this.#running = this.#drain().finally(() => {
        if (this.#timer !== undefined) this.#schedule();
      });
    });
  }

  async #drain(): Promise<void> {
    const { directory, audit, logger } = this.#options;
    if (!audit.healthy) return;
    try {
      for (const name of (await readdir(directory)).filter((file) => file.endsWith('.json')).sort()) {
        const path = join(directory, name);
        const text = await readFile(path, 'utf8');
        const request = parseLogRequest(text);
        const record = request === undefined ? parseSpooledRecord(text) : undefined;
        if (request !== undefined) {
          await this.#serve(request);
          await rm(path);
        } else if (record === undefined) logger.warn({ path }, 'not an event: remove the file');
        else if (await this.#isDurable(record)) await rm(path);
      }
    } catch (error) {
      logger.warn(
        { directory, error: String(error) },
        'events of the command line could not be recorded yet',
      );
    }
  }

  async #serve({ erase, revokeNode, commitHeads, reason }: LogRequest): Promise<void> {
    const { audit, logger } = this.#options;
    if (commitHeads) await audit.commitHeads();
    if (revokeNode !== undefined)
      await this.#isDurable({
        erin: { event: nodeRevocationEvent, node: revokeNode },
        eraan: { parents: [] },
        eromheen: {},
        erachter: reason ?? 'what this key signs from now on does not count',
        parties: [],
      });
    if (erase === undefined) return;
    try {
      const { records } = await audit.erase(erase, reason);
      // Earlier commitments speak of the erased one, too, and can be shown for nobody any more.
      await audit.commitHeads();
      logger.info({ records }, 'erased one party from the audit log');
    } catch (error) {
      if (!(error instanceof ProvenanceError) || error.code !== 'identity-unknown') throw error;
      logger.warn({}, 'the audit log holds nothing about the party that was to be erased');
    }
  }

  #isDurable(record: RecordDraft): Promise<boolean> {
    const { durability } = this.#options.audit.append(record);
    return new Promise((resolve) => durability.whenSettled((state) => resolve(state === 'durable')));
  }
}

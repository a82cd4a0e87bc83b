import type { Clock, Logger } from '../base/index.ts';
import {
  cosignatures,
  formatSignatureLine,
  openCheckpoint,
  type Policy,
  type PolicyWitness,
  parseCheckpoint,
  parseVkey,
  signatureBy,
  VerifyError,
} from '../verify/index.ts';

/** What collecting cosignatures takes of an audit log. */
export interface WitnessedLog {
  readonly vkey: string;
  checkpoint(): string;
  /** RFC 6962 §2.1.2, base64 where it is sent. */
  consistencyProof(older: number, newer: number): Promise<readonly Uint8Array[]>;
  publishWitnessed(note: string): Promise<void>;
}

export interface WitnessAnswer {
  readonly status: number;
  readonly body: string;
}

/** Sends a request body to a witness; throws when there is no answer. */
export type PostToWitness = (url: string, body: string, signal: AbortSignal) => Promise<WitnessAnswer>;

export interface WitnessesOptions {
  readonly log: WitnessedLog;
  readonly policy: Policy;
  readonly post: PostToWitness;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs: number;
}

/** What came of asking one witness. */
export type WitnessOutcome =
  | { readonly kind: 'cosigned'; readonly line: string }
  | { readonly kind: 'unreachable' | 'refused' | 'contradicted'; readonly says: string };

/**
 * C2SP tlog-witness, the log's side: shows each new checkpoint to the witnesses of a policy and publishes it with
 * their cosignatures once they are enough. The log does not wait for them; proofs use the newest one that they saw.
 */
export class Witnesses {
  readonly #options: WitnessesOptions;
  /** What each witness cosigned last, as far as it told. */
  readonly #sizes = new Map<string, number>();
  readonly #stop = new AbortController();
  #done = '';
  #running: Promise<void> = Promise.resolve();

  constructor(options: WitnessesOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, intervalMs } = this.#options;
    clock.setTimer(intervalMs, () => {
      if (this.#stop.signal.aborted) return;
      this.#running = this.collect().then(() => this.start());
    });
  }

  /** One round; true when the newest checkpoint is witnessed now. Never rejects. */
  async collect(): Promise<boolean> {
    const { log, policy, logger } = this.#options;
    const checkpoint = log.checkpoint();
    if (checkpoint === this.#done) return true;
    const asked = policy.witnesses.filter(({ url }) => url !== undefined);
    const outcomes = await Promise.all(asked.map((witness) => this.#ask(witness, checkpoint)));
    const lines: string[] = [];
    for (const [at, outcome] of outcomes.entries()) {
      const witness = asked[at]?.name;
      if (outcome.kind === 'cosigned') lines.push(outcome.line);
      else if (outcome.kind === 'contradicted')
        logger.error({ witness, says: outcome.says }, 'a witness has seen another log under our name');
      else logger.warn({ witness, says: outcome.says }, 'a witness did not countersign');
    }
    const note = checkpoint + lines.join('');
    try {
      const seen = cosignatures(openCheckpoint(note, parseVkey(log.vkey)), policy.witnesses);
      if (!policy.satisfiedBy(policy.cosigners(seen))) return false;
      await log.publishWitnessed(note);
    } catch (error) {
      logger.error({ error: String(error) }, 'a witnessed checkpoint could not be published');
      return false;
    }
    this.#done = checkpoint;
    return true;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** The witness knows what it saw last; who has forgotten asks with any size and is told. */
  async #ask(witness: PolicyWitness, checkpoint: string): Promise<WitnessOutcome> {
    try {
      const first = await this.#send(witness, checkpoint, this.#sizes.get(witness.name) ?? 0);
      return first ?? (await this.#send(witness, checkpoint, this.#sizes.get(witness.name) ?? 0)) ?? confused;
    } catch (error) {
      return { kind: 'unreachable', says: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Undefined: it told what it saw last, and is to be asked again. */
  async #send(
    { name, url = '', key }: PolicyWitness,
    checkpoint: string,
    older: number,
  ): Promise<WitnessOutcome | undefined> {
    const { log, post } = this.#options;
    const { size } = openCheckpoint(checkpoint, parseVkey(log.vkey));
    const path = older === 0 ? [] : await log.consistencyProof(older, size);
    const proof = path.map((hash) => `${Buffer.from(hash).toString('base64')}\n`).join('');
    const { status, body } = await post(
      `${url.replace(/\/$/, '')}/add-checkpoint`,
      `old ${older}\n${proof}\n${checkpoint}`,
      this.#stop.signal,
    );
    if (status === 200) {
      const signature = cosignatureIn(body, checkpoint, { name, url, key });
      this.#sizes.set(name, size);
      return { kind: 'cosigned', line: formatSignatureLine(key, signature) };
    }
    if (status === 409) {
      const seen = sizeIn(body);
      // Either it saw another size than `older`, or another root of this one; then the body may say anything.
      if (older === size && (seen === undefined || seen === size))
        return { kind: 'contradicted', says: `it saw another log of ${size} records` };
      if (seen === undefined) return { kind: 'refused', says: '409 without a size' };
      if (seen > size) return { kind: 'contradicted', says: `it saw ${seen} records, the log has ${size}` };
      this.#sizes.set(name, seen);
      return undefined;
    }
    if (status === 422)
      return { kind: 'contradicted', says: 'it finds no consistency with what it saw before' };
    return { kind: 'refused', says: `it answers ${status}` };
  }
}

const confused: WitnessOutcome = { kind: 'refused', says: 'it names another last size each time' };

/** ASCII decimal and a newline. */
function sizeIn(body: string): number | undefined {
  const text = body.trim();
  const size = Number(text);
  return Number.isSafeInteger(size) && size >= 0 && String(size) === text ? size : undefined;
}

/** The witness's cosignature among the lines of its answer; throws VerifyError when it made none that holds. */
function cosignatureIn(body: string, checkpoint: string, witness: PolicyWitness): Uint8Array {
  const signed = parseCheckpoint(checkpoint + body);
  const signature = signatureBy(signed.note, witness.key);
  if (!signature || cosignatures(signed, [witness]).length === 0)
    throw new VerifyError('signature', 'its answer holds no cosignature by its key');
  return signature;
}

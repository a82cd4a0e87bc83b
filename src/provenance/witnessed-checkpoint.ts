import { openCheckpoint } from './checkpoint.ts';
import type { NoteVerifier } from './signed-note.ts';
import { FilePublisher, type Storage } from './storage.ts';
import { witnessedPath } from './tile-layout.ts';

/**
 * The newest checkpoint that enough witnesses have countersigned, beside the newest one of all: collecting takes
 * longer than writing a checkpoint. Derived, and asked for anew when it is lost.
 */
export class WitnessedCheckpoint {
  readonly #publisher: FilePublisher;
  readonly #log: NoteVerifier;
  #note: string | undefined;

  private constructor(storage: Storage, log: NoteVerifier, note: string | undefined) {
    this.#publisher = new FilePublisher(storage, 'witnessed-');
    this.#log = log;
    this.#note = note;
  }

  static async load(storage: Storage, log: NoteVerifier): Promise<WitnessedCheckpoint> {
    const bytes = await storage.read(witnessedPath);
    return new WitnessedCheckpoint(storage, log, bytes && Buffer.from(bytes).toString());
  }

  get note(): string | undefined {
    return this.#note;
  }

  /** Throws ProvenanceError unless the log itself signed it. */
  async publish(note: string): Promise<void> {
    openCheckpoint(note, this.#log);
    await this.#publisher.publish(witnessedPath, Buffer.from(note));
    await this.#publisher.settle();
    this.#note = note;
  }
}

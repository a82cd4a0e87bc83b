import { openCheckpoint } from './checkpoint.ts';
import { ProvenanceError } from './error.ts';
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
    const note = bytes && Buffer.from(bytes).toString();
    if (note === undefined || isSignedBy(note, log)) return new WitnessedCheckpoint(storage, log, note);
    // Signed by an earlier key of the log, or damaged: the witnesses will countersign a newer one.
    await storage.remove(witnessedPath);
    return new WitnessedCheckpoint(storage, log, undefined);
  }

  get note(): string | undefined {
    return this.#note;
  }

  /** Throws ProvenanceError unless the log itself signed it. */
  async publish(note: string): Promise<void> {
    openCheckpoint(note, this.#log);
    await this.#publisher.publish({ path: witnessedPath, bytes: Buffer.from(note) });
    await this.#publisher.settle();
    this.#note = note;
  }
}

function isSignedBy(note: string, log: NoteVerifier): boolean {
  try {
    openCheckpoint(note, log);
    return true;
  } catch (error) {
    if (error instanceof ProvenanceError) return false;
    throw error;
  }
}

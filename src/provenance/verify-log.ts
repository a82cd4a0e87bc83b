import { type Checkpoint, openCheckpoint, peekCheckpoint } from './checkpoint.ts';
import { lockFileName } from './disk-storage.ts';
import { ProvenanceError } from './error.ts';
import { HandedOverStorage } from './handed-over-storage.ts';
import { readJournal, spareSegment } from './journal.ts';
import { isSegmentName } from './journal-frame.ts';
import { followSuccessions, readSuccessions, successionDirectory, successionPath } from './key-succession.ts';
import { type LogInventory, takeInventory } from './log-inventory.ts';
import { PartyKeySnapshot, partyKeysPath } from './party-keys.ts';
import type { ReceiptFile } from './receipt-file.ts';
import type { RawRecord } from './record.ts';
import { noteKeyId, parseNote, parseVkey } from './signed-note.ts';
import { type Storage, temporaryDirectory } from './storage.ts';
import {
  checkpointPath,
  firstHandOverPath,
  journalDirectory,
  tileWidth,
  vkeyPath,
  witnessedPath,
} from './tile-layout.ts';
import { TreeReader } from './tree-reader.ts';
import { Findings, type LogVerdict, notAccountedFor } from './verdict.ts';
import { BundleVerifier } from './verify-bundles.ts';
import { type IntentRules, IntentVerifier } from './verify-intents.ts';
import { ExpectedReceipts } from './verify-receipts.ts';
import { RecordVerifier } from './verify-records.ts';

export interface VerifyLogOptions {
  readonly directory: string;
  /** The key that the auditor trusts. Without it the log's own copy is used, and the verdict says so. */
  readonly vkey?: string;
  /** What parties kept: the log must hold every record that these name. */
  readonly receipts?: ReceiptFile;
  readonly onProgress?: (done: { readonly records: number; readonly size: number }) => void;
  readonly signal?: AbortSignal;
  readonly storage?: Storage;
}

/**
 * Checks every byte under a log's directory, offline: signature, tree, entries, openings, receipts, signed intents, the
 * sequences of identities and calls, the journal. Finds faults, never throws for them. A log that is being written to at
 * the same time is checked up to where it stood.
 */
export async function verifyLog(options: VerifyLogOptions): Promise<LogVerdict> {
  const storage = options.storage ?? new HandedOverStorage(options.directory);
  const intents = await import('../verify/index.ts');
  return new LogVerification(options, storage, await storage.locked(), intents).run();
}

class LogVerification {
  readonly #options: VerifyLogOptions;
  readonly #storage: Storage;
  /** Somebody is writing: files may come, grow and go. */
  readonly #live: boolean;
  readonly #findings = new Findings();
  readonly #receipts: ExpectedReceipts | undefined;
  readonly #records: RecordVerifier;
  readonly #intents: IntentVerifier;
  readonly #successionFiles: string[] = [];

  constructor(options: VerifyLogOptions, storage: Storage, live: boolean, intents: IntentRules) {
    this.#options = options;
    this.#storage = storage;
    this.#live = live;
    this.#receipts = options.receipts && new ExpectedReceipts(options.receipts);
    this.#intents = new IntentVerifier(intents, this.#findings);
    this.#records = new RecordVerifier(this.#findings, this.#intents, this.#receipts);
  }

  async run(): Promise<LogVerdict> {
    const inventory = await takeInventory(this.#storage);
    const vkey = await this.#vkey();
    // The journal first: what it lets go of meanwhile is under the checkpoint that is read after it.
    const journal = await this.#journal();
    const head = vkey === undefined ? undefined : await this.#checkpoint(vkey);
    if (!head) return this.#verdict(undefined, 0, vkey);
    await this.#partyKeys();
    const beyond = this.#beyond(journal, head.size);
    await this.#bundles(inventory, head, beyond);
    await this.#witnessed(head, vkey);
    this.#others(inventory);
    for (const raw of beyond) this.#records.check(raw, journalDirectory);
    const successions = await readSuccessions(this.#storage).catch(() => []);
    for (const path of this.#successionFiles)
      if (!successions.some((_, at) => path === successionPath(at + 1)))
        this.#findings.problem('unexpected-file', notAccountedFor, { file: path });
    this.#records.conclude();
    this.#intents.conclude();
    this.#receipts?.conclude(this.#records.nodeKeys, this.#findings);
    return this.#verdict(head, beyond.length, vkey);
  }

  async #vkey(): Promise<string | undefined> {
    const file = await this.#storage.read(vkeyPath);
    const own = file && Buffer.from(file).toString();
    const trusted = this.#options.vkey;
    const given = trusted === undefined ? undefined : await this.#successorOf(trusted);
    if (given === undefined)
      this.#findings.note("checked against the log's own copy of its key: give the key that you trust");
    if (own === undefined) this.#findings.problem('vkey', 'the file is missing', { file: vkeyPath });
    else if (own !== `${given ?? own.trimEnd()}\n`)
      this.#findings.problem('vkey', 'it is not the key of this log', { file: vkeyPath });
    return given ?? own?.trimEnd();
  }

  /** Whom the trusted key has handed the log over to; each hand-over is signed by both keys, and recorded. */
  async #successorOf(vkey: string): Promise<string> {
    try {
      const successions = await readSuccessions(this.#storage);
      this.#records.expectSuccessions(successions);
      const successor = followSuccessions(vkey, successions);
      if (successor !== vkey) this.#findings.note(`the key that you trust was succeeded by ${successor}`);
      return successor;
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
      this.#findings.problem('vkey', error.message, { file: successionDirectory });
      return vkey;
    }
  }

  /** After checkpoint and journal: a key is on disk before the first record that it seals. */
  async #partyKeys(): Promise<void> {
    try {
      const keys = await PartyKeySnapshot.read(this.#storage);
      for (const fault of keys.faults)
        if (!this.#live) this.#findings.problem('party-key', fault, { file: partyKeysPath });
      this.#records.useKeys(keys);
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
      this.#findings.problem('party-key', error.message, { file: partyKeysPath });
    }
  }

  async #checkpoint(vkey: string): Promise<Checkpoint | undefined> {
    const file = await this.#storage.read(checkpointPath);
    if (!file) {
      this.#findings.problem('checkpoint', 'the file is missing', { file: checkpointPath });
      return undefined;
    }
    const note = Buffer.from(file).toString();
    try {
      if (Buffer.compare(Buffer.from(note), file) !== 0)
        throw new ProvenanceError('note-malformed', 'it is not valid UTF-8');
      return openCheckpoint(note, parseVkey(vkey));
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
      this.#findings.problem('checkpoint', error.message, { file: checkpointPath });
      return peek(note);
    }
  }

  async #journal(): Promise<readonly RawRecord[]> {
    try {
      const { frames, torn } = await readJournal(this.#storage);
      if (torn && !this.#live)
        this.#findings.problem(
          'journal',
          `from byte ${torn.at} on there is no whole record: a crash tore the last write, or it was changed`,
          { file: torn.path },
        );
      return frames.flatMap(({ records }) => [...records]);
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
      if (!this.#live) this.#findings.problem('journal', error.message, { file: journalDirectory });
      return [];
    }
  }

  /** Records of the journal that the checkpoint does not cover yet. */
  #beyond(journal: readonly RawRecord[], size: number): readonly RawRecord[] {
    const beyond = journal.filter(({ position }) => position >= size);
    const first = beyond[0];
    if (!first || first.position === size) return beyond;
    this.#findings.problem('journal', `records ${size} to ${first.position - 1} are nowhere`, {
      file: journalDirectory,
    });
    return [];
  }

  /** Whoever countersigned it saw the beginning of this log, or there are two logs. */
  async #witnessed(head: Checkpoint, vkey: string | undefined): Promise<void> {
    const bytes = await this.#storage.read(witnessedPath);
    if (!bytes || vkey === undefined) return;
    this.#findings.note('cosignatures of witnesses are checked when audit verify is given a policy');
    if ((await this.#storage.read(firstHandOverPath)) && !hasSignatureBy(bytes, vkey)) {
      this.#findings.note(
        `${witnessedPath} is signed by an earlier key of the log; the next start removes it`,
      );
      return;
    }
    try {
      const seen = openCheckpoint(Buffer.from(bytes).toString(), parseVkey(vkey));
      if (seen.size === 0 || (this.#live && seen.size > head.size)) return;
      const root =
        seen.size > head.size
          ? undefined
          : await new TreeReader(this.#storage).rangeHash(head.size)(0, seen.size);
      if (!root || Buffer.compare(root, seen.root) !== 0)
        throw new ProvenanceError(
          'checkpoint-contradicted',
          'witnesses have seen another log under this name',
        );
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
      this.#findings.problem('checkpoint', error.message, { file: witnessedPath });
    }
  }

  async #bundles(inventory: LogInventory, head: Checkpoint, beyond: readonly RawRecord[]): Promise<void> {
    const { size } = head;
    const bundles = new BundleVerifier({
      storage: this.#storage,
      live: this.#live,
      findings: this.#findings,
      records: this.#records,
      inventory,
      size,
      beyond,
    });
    let missing = 0;
    for (let index = 0; index * tileWidth < size; index++) {
      this.#options.signal?.throwIfAborted();
      if (!inventory.indexes.has(index)) missing++;
      // A checkpoint may say any size: where more is missing than there is, nobody looks for each by itself.
      if (missing > inventory.indexes.size) {
        this.#findings.problem('bundle', `the records from ${index * tileWidth} on are missing`);
        break;
      }
      await bundles.check(index);
      this.#options.onProgress?.({ records: Math.min(size, (index + 1) * tileWidth), size });
    }
    await bundles.conclude(head.root);
  }

  #others(inventory: LogInventory): void {
    for (const path of inventory.others) {
      if (
        path === checkpointPath ||
        path === witnessedPath ||
        path === vkeyPath ||
        path === lockFileName ||
        path === partyKeysPath
      )
        continue;
      if (path.startsWith(`${successionDirectory}/`)) {
        this.#successionFiles.push(path);
        continue;
      }
      const [directory, name = ''] = path.split('/');
      if (path === spareSegment || (directory === journalDirectory && isSegmentName(name))) continue;
      if (directory === temporaryDirectory)
        this.#findings.note(`${path} was left by a write that did not finish; the next start removes it`);
      else if (!this.#live) this.#findings.problem('unexpected-file', notAccountedFor, { file: path });
    }
  }

  #verdict(head: Checkpoint | undefined, journaled: number, vkey: string | undefined): LogVerdict {
    const { problems, notes, further } = this.#findings;
    if (this.#live)
      this.#findings.note('the log is being written to: checked up to the checkpoint that was found');
    return {
      valid: problems.length === 0,
      problems,
      furtherProblems: further,
      notes,
      origin: head?.origin,
      size: head?.size ?? 0,
      journaled,
      identities: this.#records.identities,
      redacted: this.#records.redacted,
      signedIntents: this.#intents.counts,
      receiptsKept: this.#receipts?.kept ?? 0,
      openCalls: this.#records.openCalls,
      vkey,
    };
  }
}

function peek(note: string): Checkpoint | undefined {
  try {
    return peekCheckpoint(note);
  } catch {
    return undefined;
  }
}

function hasSignatureBy(note: Uint8Array, vkey: string): boolean {
  try {
    const id = noteKeyId(parseVkey(vkey));
    return parseNote(Buffer.from(note).toString()).signatures.some(
      ({ keyId }) => Buffer.compare(keyId, id) === 0,
    );
  } catch {
    // Not even a note: opening it says so.
    return true;
  }
}

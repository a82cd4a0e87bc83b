import { decodeBase64, encodeBase64, utf8 } from './bytes.ts';
import { hashBytes, verifyEd25519 } from './crypto.ts';
import { VerifyError } from './error.ts';
import type { TreeHead } from './merkle.ts';
import { cosignatureTime, type Note, type NoteKey, parseNote, signatureBy } from './note.ts';

/** C2SP tlog-checkpoint: what a log signs. */
export interface Checkpoint extends TreeHead {
  readonly origin: string;
}

/** A checkpoint that was read, its signatures not checked yet. */
export interface SignedCheckpoint extends Checkpoint {
  readonly note: Note;
}

/** Origin, size, root; extension lines are read over. Throws VerifyError `checkpoint`. */
export function parseCheckpoint(text: string): SignedCheckpoint {
  const note = parseNote(text);
  const [origin = '', sizeText = '', rootText = '', ...extensions] = note.text.slice(0, -1).split('\n');
  const size = Number(sizeText);
  const root = decodeBase64(rootText);
  if (!Number.isSafeInteger(size) || size < 0 || String(size) !== sizeText || root?.length !== hashBytes)
    throw new VerifyError('checkpoint', 'not a checkpoint: origin, size and root expected');
  if (origin === '' || extensions.includes(''))
    throw new VerifyError('checkpoint', 'not a checkpoint: a line of it is empty');
  return { origin, size, root, note };
}

export function formatCheckpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${encodeBase64(root)}\n`;
}

/** A checkpoint that the log's key signed. Throws VerifyError `checkpoint` or `signature`. */
export function openCheckpoint(text: string, log: NoteKey): SignedCheckpoint {
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== log.name)
    throw new VerifyError(
      'checkpoint',
      `the checkpoint belongs to the log ${checkpoint.origin}, the key to the log ${log.name}`,
    );
  const signature = signatureBy(checkpoint.note, log);
  if (!signature)
    throw new VerifyError('signature', 'the key that you gave has not signed the checkpoint in this file');
  if (!verifyEd25519(log.publicKey, utf8(checkpoint.note.text), signature))
    throw new VerifyError('signature', "the signature of the log's key on the checkpoint is wrong");
  return checkpoint;
}

/** One witness's word that it saw this tree, and no other of the same log that contradicts it. */
export interface Cosignature {
  readonly key: NoteKey;
  /** POSIX seconds. */
  readonly time: number;
}

/** Cosignatures by the given witnesses; one that does not verify spoils the note (C2SP signed-note). */
export function cosignatures(
  checkpoint: SignedCheckpoint,
  witnesses: readonly { readonly key: NoteKey }[],
): readonly Cosignature[] {
  const found: Cosignature[] = [];
  for (const { key } of witnesses) {
    const signature = signatureBy(checkpoint.note, key);
    if (!signature) continue;
    const time = cosignatureTime(key, checkpoint.note.text, checkpoint, signature);
    if (time === undefined)
      throw new VerifyError('signature', `the cosignature of the witness ${key.name} is wrong`);
    found.push({ key, time });
  }
  return found;
}

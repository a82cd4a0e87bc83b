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

/**
 * The last checkpoint of a file in which somebody kept some, one below the other, with keys above them or without. A file
 * that holds anything else stays as it is: it may be a proof that was changed, and no checkpoint.
 */
export function lastCheckpoint(text: string): string {
  const blocks = text.split('\n\n');
  return blocks.slice(0, -2).every(isKept) ? blocks.slice(-2).join('\n\n') : text;
}

/** A verifier key, the three lines of a checkpoint, or signatures with the next key below them. */
function isKept(block: string): boolean {
  const lines = block.split('\n');
  if (lines.length === 3 && /^\d+$/.test(lines[1] ?? '')) return true;
  return lines.every((line) => line.startsWith('\u2014 ') || /^[^\s+]+\+[0-9a-f]{8}\+\S+$/.test(line));
}

export function formatCheckpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${encodeBase64(root)}\n`;
}

/** A log's key, and the last size of the log for which its signature counts, if it was handed over. */
export interface LogKey extends NoteKey {
  readonly lastSize?: number;
}

/** By the one of these keys that signed it: after a hand-over a log has several. Throws VerifyError. */
export function openSigned(text: string, logs: readonly LogKey[]): SignedCheckpoint {
  const { origin, note } = parseCheckpoint(text);
  const own = logs.filter(({ name }) => name === origin);
  const key = own.find((one) => signatureBy(note, one)) ?? own[0] ?? logs[0];
  if (!key) throw new VerifyError('vkey', "the operator's verifier key is missing");
  return openCheckpoint(text, key);
}

/** A checkpoint that the log's key signed. Throws VerifyError `checkpoint` or `signature`. */
export function openCheckpoint(text: string, log: LogKey): SignedCheckpoint {
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== log.name)
    throw new VerifyError(
      'checkpoint',
      `the checkpoint belongs to the log ${checkpoint.origin}, the key to the log ${log.name}`,
    );
  const signature = signatureBy(checkpoint.note, log);
  if (!signature)
    throw new VerifyError(
      'signature',
      'the key that you gave has not signed the checkpoint in this file: if the log has been handed over to another key, give the hand-over (keys/1, …) as well',
    );
  if (!verifyEd25519(log.publicKey, utf8(checkpoint.note.text), signature))
    throw new VerifyError('signature', "the signature of the log's key on the checkpoint is wrong");
  if (log.lastSize !== undefined && checkpoint.size > log.lastSize)
    throw new VerifyError(
      'signature',
      `the key that signed it was given up when the log had ${log.lastSize} records: who signed for more is somebody else, or the operator did and then took it back`,
    );
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
    // C2SP tlog-cosignature: without a time it does not say that the tree was the newest one.
    if (time > 0) found.push({ key, time });
  }
  return found;
}

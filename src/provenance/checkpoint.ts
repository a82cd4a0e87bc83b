import type { SigningKey } from '../tokens/index.ts';
import { ProvenanceError } from './error.ts';
import { hashBytes, type TreeHead } from './merkle-tree.ts';
import { decodeBase64, type NoteVerifier, openNote, parseNote, signNote } from './signed-note.ts';

/** C2SP tlog-checkpoint: what the log's key signs. */
export interface Checkpoint extends TreeHead {
  readonly origin: string;
}

/** C2SP tlog-checkpoint: origin, size, root; no extension lines. */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`;
}

export function signCheckpoint(checkpoint: Checkpoint, key: SigningKey): string {
  return signNote(checkpointText(checkpoint), checkpoint.origin, key);
}

/** Throws ProvenanceError `checkpoint-malformed`; extension lines are read over. */
export function parseCheckpointText(text: string): Checkpoint {
  const [origin = '', sizeText = '', rootText = '', ...extensions] = text.slice(0, -1).split('\n');
  const size = Number(sizeText);
  const root = decodeBase64(rootText);
  if (origin === '' || root?.length !== hashBytes || !isSize(size) || String(size) !== sizeText)
    throw new ProvenanceError('checkpoint-malformed', 'not a checkpoint: origin, size and root expected');
  if (extensions.includes(''))
    throw new ProvenanceError('checkpoint-malformed', 'an extension line of the checkpoint is empty');
  return { origin, size, root };
}

function isSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 0;
}

/** A checkpoint whose signature by the log's key was checked. Throws ProvenanceError. */
export function openCheckpoint(note: string, log: NoteVerifier): Checkpoint {
  const checkpoint = parseCheckpointText(openNote(note, [log]));
  if (checkpoint.origin !== log.name)
    throw new ProvenanceError('origin', `the checkpoint belongs to the log ${checkpoint.origin}`);
  return checkpoint;
}

/** Reads a checkpoint whose signature nobody has checked: only to know how much of a log to read. */
export function peekCheckpoint(note: string): Checkpoint {
  return parseCheckpointText(parseNote(note).text);
}

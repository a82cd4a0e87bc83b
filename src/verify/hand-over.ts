import { utf8 } from './bytes.ts';
import type { LogKey } from './checkpoint.ts';
import { verifyEd25519 } from './crypto.ts';
import { VerifyError } from './error.ts';
import { formatVkey, type NoteKey, parseNote, parseVkey, signatureBy } from './note.ts';

/** docs/audit-format.md, "Hand-over of the log's key". */
export const handOverHeader = 'tibet-sip/key-succession/v1';

/**
 * The keys that trusted ones have led to, the newest first: each hand-over is signed by the old key and the new one, so
 * who trusts the one knows the other, and up to where the old one counts. Notes that lead on from no trusted key are
 * left out. Throws VerifyError.
 */
export function followHandOvers(trusted: NoteKey, notes: readonly string[]): readonly LogKey[] {
  const steps = notes.map(readHandOver);
  const keys: LogKey[] = [trusted];
  for (let step = stepFrom(trusted, steps); step; step = stepFrom(keys[0] ?? trusted, steps)) {
    if (keys.some((key) => formatVkey(key) === formatVkey(step.to))) break;
    keys.splice(0, 1, step.to, { ...step.from, lastSize: step.size });
  }
  return keys;
}

interface HandOver {
  readonly from: NoteKey;
  readonly to: NoteKey;
  /** The last tree that the old key's signature counts for. */
  readonly size: number;
}

function stepFrom(key: NoteKey, steps: readonly HandOver[]): HandOver | undefined {
  return steps.find(({ from }) => formatVkey(from) === formatVkey(key));
}

function readHandOver(text: string): HandOver {
  const note = parseNote(text);
  const [header, origin, , sizeText, , oldKey = '', newKey = ''] = note.text.split('\n');
  const size = Number(sizeText);
  if (header !== handOverHeader || !Number.isSafeInteger(size) || size < 0)
    throw new VerifyError('vkey', 'not a hand-over from one key to the next');
  const [from, to] = [parseVkey(oldKey), parseVkey(newKey)];
  for (const key of [from, to]) {
    const signature = signatureBy(note, key);
    if (key.name !== origin || key.type !== 'ed25519' || !signature)
      throw new VerifyError('vkey', 'the hand-over is not signed by both keys of one log');
    if (!verifyEd25519(key.publicKey, utf8(note.text), signature))
      throw new VerifyError('vkey', 'a signature on the hand-over is wrong');
  }
  return { from, to, size };
}

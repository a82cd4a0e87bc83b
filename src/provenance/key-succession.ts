import type { SigningKey } from '../tokens/index.ts';
import { checkpointText, openCheckpoint } from './checkpoint.ts';
import { ProvenanceError } from './error.ts';
import { decodeBase64, formatVkey, type NoteVerifier, openNote, parseVkey, signNote } from './signed-note.ts';
import { FilePublisher, type Storage } from './storage.ts';
import { checkpointPath, publicDirectory, vkeyPath } from './tile-layout.ts';

const header = 'tibet-sip/key-succession/v1';
export const successionDirectory: string = `${publicDirectory}/keys`;
/** The event of the record that a hand-over leaves; the last one under the old key. */
export const keySuccessionEvent = 'audit.key-succession';
/** The event of the record after which nothing that a node's key signs counts any more. */
export const nodeRevocationEvent = 'audit.node-revocation';

export type SuccessionReason = 'rotated' | 'compromised';

/** One hand-over from a log's key to the next: a signed note by both, published beside the checkpoint. */
export interface KeySuccession {
  readonly reason: SuccessionReason;
  /** The last tree that the old key's signature counts for. */
  readonly size: number;
  readonly root: Uint8Array;
  readonly from: string;
  readonly to: string;
}

export function successionPath(number: number): string {
  return `${successionDirectory}/${number}`;
}

/** Every hand-over of a log, first to last; throws ProvenanceError `note-malformed` or `note-signature`. */
export async function readSuccessions(storage: Pick<Storage, 'read'>): Promise<readonly KeySuccession[]> {
  return (await readSuccessionNotes(storage)).map(parseSuccession);
}

/** A key a week for twenty years; whoever publishes a log may have an answer for every number. */
const maxSuccessions = 1_024;

/** First to last, unchecked. Throws ProvenanceError. */
export async function readSuccessionNotes(storage: Pick<Storage, 'read'>): Promise<readonly string[]> {
  const notes: string[] = [];
  for (let number = 1; number <= maxSuccessions; number++) {
    const file = await storage.read(successionPath(number));
    if (!file) return notes;
    notes.push(Buffer.from(file).toString());
  }
  throw new ProvenanceError('note-malformed', `the log was handed over more than ${maxSuccessions} times`);
}

/** The key that a trusted key has led to; it is itself where nothing followed on it. */
export function followSuccessions(vkey: string, successions: readonly KeySuccession[]): string {
  let current = vkey;
  for (const { from, to } of successions) if (from === current) current = to;
  return current;
}

export interface HandOver {
  readonly storage: Storage;
  readonly origin: string;
  readonly oldKey: SigningKey;
  readonly newKey: SigningKey;
  readonly reason: SuccessionReason;
}

/**
 * Hands a closed log over to its next key: the note, then the checkpoint under both keys (under the new one alone when
 * the old one is no longer to be trusted), then the verifier key. Repeated after a crash, it comes out the same.
 */
export async function handOver({ storage, origin, oldKey, newKey, reason }: HandOver): Promise<void> {
  const file = await storage.read(checkpointPath);
  if (!file) throw new ProvenanceError('checkpoint-missing', 'there is no audit log in this directory');
  const [from, to] = [oldKey, newKey].map(({ publicKey }) => ({ name: origin, publicKey }));
  if (!from || !to) return;
  const successions = await readSuccessions(storage);
  const begun = successions.at(-1)?.to === formatVkey(to);
  const checkpoint = openCheckpoint(
    Buffer.from(file).toString(),
    begun ? await signerOf(file, [from, to]) : from,
  );
  const publisher = new FilePublisher(storage);
  if (!begun) {
    const root = Buffer.from(checkpoint.root).toString('base64');
    const lines = [header, origin, reason, checkpoint.size, root, formatVkey(from), formatVkey(to)];
    const text = `${lines.join('\n')}\n`;
    const note = withSignatures(signNote(text, origin, oldKey), signNote(text, origin, newKey));
    await publisher.publish({ path: successionPath(successions.length + 1), bytes: Buffer.from(note) });
    await publisher.settle();
  }
  const text = checkpointText(checkpoint);
  const signed = signNote(text, origin, newKey);
  const note = reason === 'rotated' ? withSignatures(signNote(text, origin, oldKey), signed) : signed;
  await publisher.publish({ path: checkpointPath, bytes: Buffer.from(note) });
  await publisher.publish({ path: vkeyPath, bytes: Buffer.from(`${formatVkey(to)}\n`) });
  await publisher.settle();
}

async function signerOf(file: Uint8Array, verifiers: readonly NoteVerifier[]): Promise<NoteVerifier> {
  for (const verifier of verifiers)
    try {
      openCheckpoint(Buffer.from(file).toString(), verifier);
      return verifier;
    } catch (error) {
      if (!(error instanceof ProvenanceError)) throw error;
    }
  throw new ProvenanceError('note-signature', 'the checkpoint is signed by neither key');
}

/** Two notes of one text as one. */
function withSignatures(note: string, other: string): string {
  return note + other.slice(other.lastIndexOf('\n\n') + 2);
}

function parseSuccession(note: string): KeySuccession {
  const [found, origin = '', reason, sizeText = '', rootText = '', from = '', to = ''] = note.split('\n');
  const root = decodeBase64(rootText);
  const size = Number(sizeText);
  if (
    found !== header ||
    (reason !== 'rotated' && reason !== 'compromised') ||
    root === undefined ||
    !Number.isSafeInteger(size)
  )
    throw new ProvenanceError('note-malformed', 'not a hand-over from one key to another');
  for (const vkey of [from, to]) {
    const verifier = parseVkey(vkey);
    if (verifier.name !== origin) throw new ProvenanceError('origin', 'a key of another log');
    openNote(note, [verifier]);
  }
  return { reason, size, root, from, to };
}

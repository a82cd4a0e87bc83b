import { concatBytes, equalBytes } from '../base/index.ts';
import { type SigningKey, verifySignature } from '../tokens/index.ts';
import { sha256 } from './digest.ts';
import { ProvenanceError } from './error.ts';

/** C2SP signed-note: the type byte of plain Ed25519. */
const typeEd25519 = 0x01;
/** C2SP signed-note asks verifiers for at least 16 signatures, and for some bound. */
const maxSignatures = 64;
const signatureMark = '— ';

/** A note's verifier key: the name and public key that an auditor is given once, out of band. */
export interface NoteVerifier {
  readonly name: string;
  readonly publicKey: Uint8Array;
}

export interface NoteSignature {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

export interface SignedNote {
  /** Ends in a newline, which is signed too. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** C2SP signed-note: SHA-256(name || 0x0A || type || public key)[:4]. */
export function noteKeyId(verifier: NoteVerifier): Uint8Array {
  const input = concatBytes(
    Buffer.from(`${verifier.name}\n`),
    Uint8Array.of(typeEd25519),
    verifier.publicKey,
  );
  return sha256(input).subarray(0, 4);
}

/** `name+hex key id+base64(type || key)`, as Go's sumdb/note and the C2SP tools read and write it. */
export function formatVkey(verifier: NoteVerifier): string {
  const key = Buffer.concat([Uint8Array.of(typeEd25519), verifier.publicKey]).toString('base64');
  return `${verifier.name}+${Buffer.from(noteKeyId(verifier)).toString('hex')}+${key}`;
}

/** Throws ProvenanceError `vkey`: one text for one key, so a key id that does not fit is refused. */
export function parseVkey(vkey: string): NoteVerifier {
  const [name = '', , encoded = ''] = splitVkey(vkey);
  const key = decodeBase64(encoded);
  if (key?.length !== 33 || key[0] !== typeEd25519 || !isNoteName(name)) throw badVkey();
  const verifier = { name, publicKey: key.subarray(1) };
  if (formatVkey(verifier) !== vkey) throw badVkey();
  return verifier;
}

/** The base64 part may itself contain '+', a name may not. */
function splitVkey(vkey: string): readonly string[] {
  const first = vkey.indexOf('+');
  const second = vkey.indexOf('+', first + 1);
  if (first < 0 || second < 0) throw badVkey();
  return [vkey.slice(0, first), vkey.slice(first + 1, second), vkey.slice(second + 1)];
}

function badVkey(): ProvenanceError {
  return new ProvenanceError('vkey', 'not an Ed25519 verifier key of the form name+id+base64');
}

/** C2SP signed-note: not empty, no Unicode space, no plus. */
export function isNoteName(name: string): boolean {
  if (name.length === 0 || !name.isWellFormed()) return false;
  for (const character of name)
    if (character === '+' || character.trim() === '' || (character.codePointAt(0) ?? 0) < 0x20) return false;
  return true;
}

/** `text` must end in a newline. */
export function signNote(text: string, name: string, key: SigningKey): string {
  const signature = key.sign(Buffer.from(text));
  const id = noteKeyId({ name, publicKey: key.publicKey });
  return `${text}\n${signatureMark}${name} ${Buffer.concat([id, signature]).toString('base64')}\n`;
}

/** Takes a note apart without checking signatures; throws ProvenanceError `note-malformed`. */
export function parseNote(note: string): SignedNote {
  if (!isPlainText(note)) throw malformed('control characters or invalid text');
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) throw malformed('no signature block');
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > maxSignatures) throw malformed('too many signatures');
  return { text, signatures: lines.map(parseSignatureLine) };
}

/**
 * The note's text, if at least one signature by a given key verifies and none by a given key fails. Signatures by
 * other keys are ignored, as C2SP asks. Throws `note-malformed` or `note-signature`.
 */
export function openNote(note: string, verifiers: readonly NoteVerifier[]): string {
  const { text, signatures } = parseNote(note);
  const bytes = Buffer.from(text);
  let verified = false;
  for (const { name, keyId, signature } of signatures) {
    const known = verifiers.find((one) => one.name === name && equalBytes(noteKeyId(one), keyId));
    if (!known) continue;
    if (!verifySignature(known.publicKey, bytes, signature))
      throw new ProvenanceError('note-signature', `the signature by ${name} is wrong`);
    verified = true;
  }
  if (!verified) throw new ProvenanceError('note-signature', 'no signature by a known key');
  return text;
}

function parseSignatureLine(line: string): NoteSignature {
  if (!line.startsWith(signatureMark)) throw malformed('a signature line has another form');
  const rest = line.slice(signatureMark.length);
  const space = rest.indexOf(' ');
  const name = rest.slice(0, Math.max(0, space));
  const bytes = decodeBase64(rest.slice(space + 1));
  if (!isNoteName(name) || !bytes || bytes.length < 5) throw malformed('a signature line has another form');
  return { name, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

/** RFC 4648 §4 with padding, canonical only; undefined otherwise. */
export function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? new Uint8Array(bytes) : undefined;
}

/** C2SP signed-note: valid UTF-8 without control characters other than newline. */
function isPlainText(text: string): boolean {
  if (!text.isWellFormed()) return false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 && unit !== 0x0a) return false;
  }
  return true;
}

function malformed(why: string): ProvenanceError {
  return new ProvenanceError('note-malformed', `not a signed note: ${why}`);
}

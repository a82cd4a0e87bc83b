import { concat, decodeBase64, encodeBase64, encodeHex, equal, utf8 } from './bytes.ts';
import type { Checkpoint } from './checkpoint.ts';
import { hashBytes, sha256, verifyEd25519, verifyMlDsa44 } from './crypto.ts';
import { VerifyError } from './error.ts';

/** C2SP signed-note: how a signature is made, by the byte in front of the public key. */
export type NoteKeyType = 'ed25519' | 'cosignature-ed25519' | 'cosignature-ml-dsa-44';

const keyTypes: readonly { readonly type: NoteKeyType; readonly byte: number; readonly keyBytes: number }[] =
  [
    { type: 'ed25519', byte: 0x01, keyBytes: 32 },
    { type: 'cosignature-ed25519', byte: 0x04, keyBytes: 32 },
    { type: 'cosignature-ml-dsa-44', byte: 0x06, keyBytes: 1312 },
  ];

/** C2SP signed-note asks for at least 16, and for some bound. */
const maxSignatures = 64;
const signatureMark = '— ';

/** A key whose signatures on notes somebody trusts. */
export interface NoteKey {
  readonly name: string;
  readonly id: Uint8Array;
  readonly type: NoteKeyType;
  readonly publicKey: Uint8Array;
}

export interface NoteSignature {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

export interface Note {
  /** Ends in a newline, which is signed too. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** `name+hex key id+base64(type || key)`. Throws VerifyError `vkey`: an id that does not fit its key is refused. */
export function parseVkey(vkey: string): NoteKey {
  const first = vkey.indexOf('+');
  const second = vkey.indexOf('+', first + 1);
  const name = vkey.slice(0, Math.max(0, first));
  const encoded = decodeBase64(vkey.slice(second + 1));
  const known = keyTypes.find(
    ({ byte, keyBytes }) => encoded?.[0] === byte && encoded.length === keyBytes + 1,
  );
  if (first < 0 || second < 0 || !known || !encoded || !isName(name))
    throw new VerifyError('vkey', 'not a verifier key of the form name+id+base64, of a known type');
  const key = noteKey(name, known.type, encoded.subarray(1));
  if (formatVkey(key) !== vkey)
    throw new VerifyError('vkey', 'the id of the verifier key is not that of its key');
  return key;
}

export function noteKey(name: string, type: NoteKeyType, publicKey: Uint8Array): NoteKey {
  return {
    name,
    type,
    publicKey,
    id: sha256(concat(utf8(`${name}\n`), typed(type, publicKey))).subarray(0, 4),
  };
}

export function formatVkey({ name, id, type, publicKey }: NoteKey): string {
  return `${name}+${encodeHex(id)}+${encodeBase64(typed(type, publicKey))}`;
}

function typed(type: NoteKeyType, publicKey: Uint8Array): Uint8Array {
  const byte = keyTypes.find((one) => one.type === type)?.byte ?? 0xff;
  return concat(Uint8Array.of(byte), publicKey);
}

/** Not empty, no space, no plus, no control character. */
export function isName(name: string): boolean {
  for (const character of name)
    if (character === '+' || character.trim() === '' || character < ' ') return false;
  return name !== '' && name.isWellFormed();
}

/** Takes a note apart without checking signatures. Throws VerifyError `checkpoint`. */
export function parseNote(note: string): Note {
  for (let at = 0; at < note.length; at++)
    if (note.charCodeAt(at) < 0x20 && note[at] !== '\n') throw malformed('it holds control characters');
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n') || !note.isWellFormed()) throw malformed('it has no signatures');
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > maxSignatures) throw malformed('it has too many signatures');
  return { text: note.slice(0, split + 1), signatures: lines.map(parseSignatureLine) };
}

export function parseSignatureLine(line: string): NoteSignature {
  const [name = '', encoded = '', ...more] = line.slice(signatureMark.length).split(' ');
  const bytes = decodeBase64(encoded);
  if (!line.startsWith(signatureMark) || more.length > 0 || !isName(name) || !bytes || bytes.length < 5)
    throw malformed('a signature line has another form');
  return { name, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

export function formatSignatureLine(key: NoteKey, signature: Uint8Array): string {
  return `${signatureMark}${key.name} ${encodeBase64(concat(key.id, signature))}\n`;
}

function malformed(why: string): VerifyError {
  return new VerifyError('checkpoint', `not a signed note: ${why}`);
}

/** The signature that this key made, if there is one. */
export function signatureBy(note: Note, key: NoteKey): Uint8Array | undefined {
  return note.signatures.find(({ name, keyId }) => name === key.name && equal(keyId, key.id))?.signature;
}

/** C2SP tlog-cosignature: what a witness signs, for both of its algorithms. */
export function cosignedMessage(
  key: NoteKey,
  text: string,
  { origin, size, root }: Checkpoint,
  time: bigint,
): Uint8Array {
  if (key.type === 'cosignature-ed25519') return utf8(`cosignature/v1\ntime ${time}\n${text}`);
  return concat(
    utf8('subtree/v1\n\0'),
    short(key.name),
    uint(time),
    short(origin),
    uint(0n),
    uint(BigInt(size)),
    root,
  );
}

/** RFC 8446 §3.4: a vector with its length in one byte before it. */
function short(text: string): Uint8Array {
  const bytes = utf8(text);
  if (bytes.length > 255) throw malformed('a name in it is too long to be cosigned');
  return concat(Uint8Array.of(bytes.length), bytes);
}

function uint(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

/** The time (POSIX seconds) that a cosignature states, 0 for none (ML-DSA-44 alone); undefined when it does not verify. */
export function cosignatureTime(
  key: NoteKey,
  text: string,
  checkpoint: Checkpoint,
  signature: Uint8Array,
): number | undefined {
  if (key.type === 'ed25519' || signature.length < 8 || checkpoint.root.length !== hashBytes)
    return undefined;
  const time = new DataView(signature.buffer, signature.byteOffset, 8).getBigUint64(0);
  const undated = time === 0n && key.type === 'cosignature-ed25519';
  if (undated || time > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  const message = cosignedMessage(key, text, checkpoint, time);
  const verify = key.type === 'cosignature-ed25519' ? verifyEd25519 : verifyMlDsa44;
  return verify(key.publicKey, message, signature.subarray(8)) ? Number(time) : undefined;
}

import { constants } from 'node:fs';
import { copyFile, link, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { encodeBase64Url, equalBytes, systemRandom } from '../base/index.ts';
import { type Attribute, decodeAttributes, encodeAttributes } from './attributes.ts';
import { decodeCbor } from './cbor-decoder.ts';
import { encodeCbor } from './cbor-encoder.ts';
import { TokenError } from './errors.ts';
import type { IdentityToken } from './identity-token.ts';
import { decodeIdentityToken } from './identity-token-decoder.ts';
import { type SeededSigningKey, seedBytes, signingKeyFromSeed } from './keys.ts';
import { bytesField, isRecord, sealSeed, unsealSeed } from './sealed-seed.ts';

/** What an identity file keeps: the public token, the secret, and the attributes of every level. */
export interface IdentityFileContent {
  readonly token: IdentityToken;
  readonly seed: Uint8Array;
  readonly attributes?: readonly Attribute[];
  /** `encodeSuccession`, of an identity that takes the place of another. */
  readonly succession?: Uint8Array | undefined;
}

export interface LoadedIdentity {
  readonly token: IdentityToken;
  readonly key: SeededSigningKey;
  /** Of every level, for the intents and messages that this identity signs. */
  readonly attributes: readonly Attribute[];
  readonly succession: Uint8Array | undefined;
  readonly encrypted: boolean;
  /** Other users of the machine can read a secret that is not encrypted: worth a warning. */
  readonly exposed: boolean;
}

const formatName = 'tibet-identity';
const formatVersion = 1;
const fileMode = 0o600;
const maxFileBytes = 262_144;

/** Writes a new file, mode 0600, whole or not at all; throws TokenError `file-exists` rather than overwrite. */
export async function saveIdentity(
  path: string,
  content: IdentityFileContent,
  passphrase?: string,
): Promise<void> {
  const temporary = await writeBeside(path, await identityFileText(content, passphrase));
  try {
    await linkNew(temporary, path);
    await syncDirectory(path);
  } catch (cause) {
    if (errorCode(cause) === 'EEXIST')
      throw new TokenError('file-exists', `${path} exists; an identity is never overwritten`, { cause });
    throw new TokenError('file', `cannot write ${path}`, { cause });
  } finally {
    await unlink(temporary);
  }
}

/** Replaces the file of the same key in one step: what a renewal does. Throws TokenError `file` for another key. */
export async function replaceIdentity(
  path: string,
  content: IdentityFileContent,
  passphrase?: string,
): Promise<void> {
  const present = decodeToken(parseFile(path, await readText(path)));
  if (!equalBytes(present.publicKey, content.token.publicKey))
    throw new TokenError('file', `${path} holds another identity`);
  const temporary = await writeBeside(path, await identityFileText(content, passphrase));
  await rename(temporary, path);
  await syncDirectory(path);
}

/**
 * Throws TokenError: `file` for a missing or damaged file, `passphrase` for a missing or wrong one, and what
 * `decodeIdentityToken` throws. Does not look at the token's times.
 */
export async function loadIdentity(path: string, passphrase?: string): Promise<LoadedIdentity> {
  const text = await readText(path);
  const file = parseFile(path, text);
  const token = decodeToken(file);
  const secret = file['secret'];
  if (!isRecord(secret)) throw new TokenError('file', `${path} has no secret`);
  const encrypted = secret['seed'] === undefined;
  const seed = encrypted
    ? await unsealSeed(secret, token.publicKey, passphrase)
    : bytesField(secret, 'seed', seedBytes);
  const key = signingKeyFromSeed(seed);
  if (!equalBytes(key.publicKey, token.publicKey))
    throw new TokenError('file', `${path}: the secret does not belong to the token`);
  const attributes =
    file['attributes'] === undefined
      ? token.attributes
      : decodeAttributes(decodeCbor(bytesField(file, 'attributes')));
  const succession = file['succession'] === undefined ? undefined : bytesField(file, 'succession');
  const { mode } = await stat(path);
  return { token, key, attributes, succession, encrypted, exposed: !encrypted && (mode & 0o077) !== 0 };
}

/** The file's JSON text; subject and fingerprint are there for people, the token alone counts. */
async function identityFileText(
  content: IdentityFileContent,
  passphrase: string | undefined,
): Promise<string> {
  const { token, seed, succession } = content;
  const key = signingKeyFromSeed(seed);
  if (!equalBytes(key.publicKey, token.publicKey))
    throw new TokenError('key-invalid', 'the secret does not belong to the token');
  const attributes = encodeAttributes(content.attributes ?? []);
  const file = {
    format: formatName,
    version: formatVersion,
    subject: token.subject,
    fingerprint: token.fingerprint,
    token: encodeBase64Url(token.bytes),
    ...(attributes && { attributes: encodeBase64Url(encodeCbor(attributes)) }),
    ...(succession && { succession: encodeBase64Url(succession) }),
    secret:
      passphrase === undefined
        ? { seed: encodeBase64Url(seed) }
        : await sealSeed(seed, token.publicKey, passphrase),
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

async function writeBeside(path: string, text: string): Promise<string> {
  const temporary = `${path}.${encodeBase64Url(systemRandom.bytes(6))}.tmp`;
  try {
    const handle = await open(temporary, 'wx', fileMode);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new TokenError('file', `cannot write in ${dirname(path)}`, { cause });
  }
  return temporary;
}

/** A link, unlike a rename, fails when the name is taken; file systems without links get a copy that does too. */
async function linkNew(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (cause) {
    if (errorCode(cause) === 'EEXIST') throw cause;
    await copyFile(temporary, path, constants.COPYFILE_EXCL);
  }
}

/** A secret that was reported as saved must be there after a power failure. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(dirname(path), 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > maxFileBytes) throw new TokenError('file', `${path} is too large for an identity file`);
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof TokenError) throw cause;
    throw new TokenError('file', `cannot read ${path}: ${errorCode(cause) ?? 'unknown error'}`, { cause });
  }
}

function parseFile(path: string, text: string): Readonly<Record<string, unknown>> {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    // The parser's own message would quote the text, which may hold a secret.
    throw new TokenError('file', `${path} is not JSON`);
  }
  if (!isRecord(file) || file['format'] !== formatName)
    throw new TokenError('file', `${path} is not an identity file`);
  if (file['version'] !== formatVersion)
    throw new TokenError('file', `${path} has a version that this program does not know`);
  return file;
}

function decodeToken(file: Readonly<Record<string, unknown>>): IdentityToken {
  return decodeIdentityToken(bytesField(file, 'token'));
}

function errorCode(error: unknown): string | undefined {
  return isRecord(error) && typeof error['code'] === 'string' ? error['code'] : undefined;
}

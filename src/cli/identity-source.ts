import { readFileSync } from 'node:fs';
import { decodeBase64Url, epochSeconds, systemClock } from '../base/index.ts';
import {
  checkValidity,
  decodeIdentityToken,
  type Fingerprint,
  type HiddenParent,
  type IdentityToken,
  isFingerprint,
  type LoadedIdentity,
  loadIdentity,
  maxNameLength,
  parseName,
  TokenError,
} from '../tokens/index.ts';
import { CliError } from './failure.ts';
import type { Terminal } from './terminal.ts';

export interface PassphraseOptions {
  readonly passphraseFile?: string;
}

export const passphraseHelp = 'file whose first line is the passphrase (else TIBET_SIP_PASSPHRASE)';

/** The passphrase from a file or the environment: never from the command line, which others can see. */
export function passphraseOf(terminal: Terminal, options: PassphraseOptions): string | undefined {
  if (options.passphraseFile !== undefined)
    return readFileSync(options.passphraseFile, 'utf8').split(/\r?\n/, 1)[0];
  return terminal.env['TIBET_SIP_PASSPHRASE'];
}

/** Opens an identity with its secret, and warns when others can read it. */
export async function openIdentity(
  terminal: Terminal,
  file: string,
  options: PassphraseOptions,
): Promise<LoadedIdentity> {
  const identity = await loadIdentity(file, passphraseOf(terminal, options));
  if (identity.exposed)
    terminal.err(`tibet-sip: warning: other users can read ${file}; run: chmod 600 ${file}`);
  return identity;
}

/** The parent that has to take part when the token of a pseudonym is made anew; undefined for a root identity. */
export async function parentFor(
  terminal: Terminal,
  token: IdentityToken,
  file: string,
  parentFile: string | undefined,
): Promise<HiddenParent | undefined> {
  if (token.issuerProof === undefined && !token.issuerHidden) return undefined;
  if (parentFile === undefined)
    throw new CliError('usage', `${file} is a pseudonym`, 'name the parent identity with --parent FILE');
  const parent = await openIdentity(terminal, parentFile, {});
  return { key: parent.key, fingerprint: parent.token.fingerprint };
}

/** The public token in an identity file, or in a file that holds just the token as base64url; needs no passphrase. */
export function readPublicToken(file: string): IdentityToken {
  const text = readFileSync(file, 'utf8').trim();
  const token = text.startsWith('{') ? tokenField(text) : text;
  const bytes = token === undefined ? undefined : decodeBase64Url(token);
  if (!bytes || bytes.length === 0)
    throw new CliError('usage', `${file} is not an identity`, 'make one with: tibet-sip identity new');
  try {
    return decodeIdentityToken(bytes);
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    throw new CliError('refused', `${file} holds no identity: ${error.message}`, undefined, { cause: error });
  }
}

/** Of somebody who is named by a fingerprint or by an identity file. */
export function fingerprintOf(who: string): Fingerprint {
  return isFingerprint(who) ? who : readPublicToken(who).fingerprint;
}

function tokenField(json: string): string | undefined {
  try {
    const { token } = JSON.parse(json) as { readonly token?: unknown };
    return typeof token === 'string' ? token : undefined;
  } catch {
    return undefined;
  }
}

/** The file that a command works on: its argument, or `--identity`. */
export function fileArgument(argument: string | undefined, option: string | undefined): string {
  const file = argument ?? option;
  if (file === undefined) throw new CliError('usage', 'name an identity file', 'like: --identity alice.json');
  return file;
}

/** A subject as the user wrote it: a `jis:` name by its grammar, any other scheme as it is. */
export function subjectOf(text: string): string {
  if (text.startsWith('jis:') ? parseName(text) !== undefined : /^[a-z][a-z0-9+.-]*:./.test(text))
    return text;
  throw new CliError(
    'usage',
    `"${text.slice(0, maxNameLength)}" is not a name`,
    `names are written jis:alice, with a-z, 0-9, ".", "_" and "-" between the colons, at most ${maxNameLength} characters`,
  );
}

/** Seconds from now until the end of a validity that is given in days. */
export function expiryAfter(days: number): { readonly now: number; readonly expires: number } {
  const now = epochSeconds(systemClock);
  return { now, expires: now + days * 86_400 };
}

/** For `--days`. */
export function positiveDays(text: string): number {
  const days = Number(text);
  if (!Number.isInteger(days) || days < 1 || days > 36_500)
    throw new CliError('usage', `--days takes a whole number from 1 to 36500, not "${text}"`);
  return days;
}

export function describeValidity(token: IdentityToken): string {
  const validity = checkValidity(token, epochSeconds(systemClock));
  return validity === 'not-yet-valid' ? 'not yet valid' : validity;
}

import { decodeBase64Url } from '../base/index.ts';
import { TokenError } from './errors.ts';
import type { IdentityToken } from './identity-token.ts';
import { decodeIdentityToken } from './identity-token-decoder.ts';
import { isRecord } from './sealed-seed.ts';

/** The public token in the text of an identity file, or in one that holds just the token as base64url. Throws TokenError. */
export function parsePublicToken(text: string): IdentityToken {
  const trimmed = text.trim();
  const token = trimmed.startsWith('{') ? tokenMember(trimmed) : trimmed;
  const bytes = token === undefined ? undefined : decodeBase64Url(token);
  if (bytes === undefined || bytes.length === 0) throw new TokenError('file', 'not an identity');
  return decodeIdentityToken(bytes);
}

function tokenMember(json: string): string | undefined {
  try {
    const file: unknown = JSON.parse(json);
    return isRecord(file) && typeof file['token'] === 'string' ? file['token'] : undefined;
  } catch {
    return undefined;
  }
}

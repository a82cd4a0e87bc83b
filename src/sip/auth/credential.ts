import { encodeHex, type Random } from '../../base/index.ts';
import { type DigestAlgorithm, digestHa1 } from './digest.ts';

/** What is kept of a stock phone's password: H(A1) per algorithm, never the password. Each is as good as it for this realm. */
export interface DigestCredential {
  readonly username: string;
  readonly realm: string;
  readonly ha1Md5: string;
  readonly ha1Sha256: string;
  /** Absent in what was minted before SHA-512-256 was known here: no answer with it is right then. */
  readonly ha1Sha512256?: string;
}

/** Where credentials are looked up; filled by whoever enrols phones. A name that nobody holds gives undefined. */
export interface CredentialStore {
  find(username: string, realm: string): DigestCredential | undefined | Promise<DigestCredential | undefined>;
}

/** Derives the record to keep for a password; the caller then forgets or prints the password. */
export function mintDigestCredential(options: {
  readonly username: string;
  readonly realm: string;
  readonly password: string;
}): DigestCredential {
  const { username, realm, password } = options;
  return {
    username,
    realm,
    ha1Md5: digestHa1('MD5', username, realm, password),
    ha1Sha256: digestHa1('SHA-256', username, realm, password),
    ha1Sha512256: digestHa1('SHA-512-256', username, realm, password),
  };
}

/** A credential that no password matches: an unknown name is checked against it, at the cost of a known one. */
export function unmatchableCredential(realm: string, random: Random): Required<DigestCredential> {
  return {
    username: '',
    realm,
    ha1Md5: encodeHex(random.bytes(16)),
    ha1Sha256: encodeHex(random.bytes(32)),
    ha1Sha512256: encodeHex(random.bytes(32)),
  };
}

export function ha1Of(credential: Required<DigestCredential>, algorithm: DigestAlgorithm): string;
export function ha1Of(credential: DigestCredential, algorithm: DigestAlgorithm): string | undefined;
export function ha1Of(credential: DigestCredential, algorithm: DigestAlgorithm): string | undefined {
  switch (algorithm) {
    case 'MD5':
      return credential.ha1Md5;
    case 'SHA-256':
      return credential.ha1Sha256;
    case 'SHA-512-256':
      return credential.ha1Sha512256;
  }
}

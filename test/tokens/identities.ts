import {
  type Attribute,
  createIdentityToken,
  createNodeToken,
  type IdentityToken,
  type SeededSigningKey,
  signingKeyFromSeed,
} from '../../src/tokens/index.ts';

/** 2026-01-01T00:00:00Z in seconds; identities live a year from here. */
export const start: number = Date.UTC(2026, 0, 1) / 1000;
export const yearLater: number = start + 365 * 86_400;

export interface TestIdentity {
  readonly key: SeededSigningKey;
  readonly token: IdentityToken;
}

/** The same number gives the same key. */
export function keyNumber(n: number): SeededSigningKey {
  return signingKeyFromSeed(new Uint8Array(32).fill(n));
}

export function identityNumber(
  n: number,
  subject: string,
  options: {
    readonly issuer?: TestIdentity;
    readonly realm?: string;
    readonly attributes?: readonly Attribute[];
    readonly expires?: number;
  } = {},
): TestIdentity {
  const key = keyNumber(n);
  const { issuer, realm, attributes, expires } = options;
  const token = createIdentityToken({
    key,
    subject,
    notBefore: start,
    expires: expires ?? yearLater,
    now: start,
    ...(issuer && { issuer: { key: issuer.key, fingerprint: issuer.token.fingerprint } }),
    ...(realm && { realm }),
    ...(attributes && { attributes }),
  });
  return { key, token };
}

export function nodeNumber(n: number, lifetimeSeconds = 86_400): TestIdentity {
  const key = keyNumber(n);
  const token = createNodeToken({ key, notBefore: start, expires: start + lifetimeSeconds, now: start });
  return { key, token };
}

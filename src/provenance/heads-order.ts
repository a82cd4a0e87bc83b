import { type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import type { Head } from './ledger.ts';

export interface KnownHead {
  readonly fingerprint: Fingerprint;
  readonly head: Head;
}

/** In the order of the fingerprints' bytes, which is not that of their text. */
export function byFingerprint(
  a: { readonly fingerprint: Fingerprint },
  b: { readonly fingerprint: Fingerprint },
): number {
  return Buffer.compare(fingerprintBytes(a.fingerprint), fingerprintBytes(b.fingerprint));
}

/** Two lists in that order as one; where both have an identity, `newer` tells. */
export function* overlaid(older: Iterable<KnownHead>, newer: readonly KnownHead[]): Generator<KnownHead> {
  let at = 0;
  for (const one of older) {
    let next = newer[at];
    for (; next && byFingerprint(next, one) < 0; next = newer[++at]) yield next;
    if (next?.fingerprint === one.fingerprint) {
      yield next;
      at++;
    } else yield one;
  }
  yield* newer.slice(at);
}

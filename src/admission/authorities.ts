import type { Fingerprint, IdentityToken } from '../tokens/index.ts';

/** A party whose word counts here: a realm that knows its members, an issuer of claims. */
export interface Authority {
  /** What rules call it. */
  readonly name: string;
  readonly token: IdentityToken;
  /** Where it answers questions; without it, it confirms nobody. */
  readonly url: string | undefined;
  readonly timeoutMs: number;
  /** Whether a claim of its counts only when it still stands by it. */
  readonly askAboutClaims: boolean;
}

/** The authorities that an operator has named; nobody else's word counts. */
export class Authorities {
  readonly #byName: ReadonlyMap<string, Authority>;
  readonly #byFingerprint: ReadonlyMap<Fingerprint, Authority>;

  constructor(authorities: readonly Authority[]) {
    this.#byName = new Map(authorities.map((authority) => [authority.name, authority]));
    this.#byFingerprint = new Map(authorities.map((authority) => [authority.token.fingerprint, authority]));
  }

  named(name: string): Authority | undefined {
    return this.#byName.get(name);
  }

  of(fingerprint: Fingerprint): Authority | undefined {
    return this.#byFingerprint.get(fingerprint);
  }
}

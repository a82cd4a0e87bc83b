import { asBuffer, type Clock, equalBytes } from '../base/index.ts';
import {
  checkValidity,
  decodeIdentityToken,
  type Fingerprint,
  type IdentityToken,
  jisPrefix,
  parseName,
  verifyIssuer,
} from '../tokens/index.ts';
import { isAlias, parseAddress } from './address.ts';
import type { Custody, IdentityDocument } from './documents.ts';
import { OverlayError } from './errors.ts';
import { all, chain, type Eventual } from './eventual.ts';
import { type IdentityRecord, identityRecord, noStanding, standingKey } from './identity-record.ts';
import type { Page } from './overlay-options.ts';
import { keep, type ListOptions, type OverlayStore } from './store.ts';
import { provedAt } from './trust.ts';

export interface Enrolment {
  readonly status: 'active' | 'pending';
  readonly custody: Custody;
  readonly nowMs: number;
}

export interface Enrolled {
  readonly record: IdentityRecord;
  /** `known`: this very token, or a newer one of the same identity, was there already. */
  readonly outcome: 'new' | 'renewed' | 'known';
}

/** How many changes of key a look-up by an old fingerprint follows. */
const maxSuccessions = 16;

/** Who there is, and which names and aliases mean whom. */
export class IdentityDirectory {
  readonly #store: OverlayStore;
  readonly #clock: Clock;

  constructor(store: OverlayStore, clock: Clock) {
    this.#clock = clock;
    this.#store = store;
  }

  /** At once when cached or embedded. Pending and revoked identities are found too: see `status`. */
  lookup(address: string): Eventual<IdentityRecord | undefined> {
    const parsed = parseAddress(address);
    if (!parsed) return undefined;
    switch (parsed.kind) {
      case 'fingerprint':
        return this.#newest(this.byFingerprint(parsed.fingerprint), maxSuccessions);
      case 'name':
        return this.#byName(parsed.name);
      case 'alias-or-name':
        return chain(this.#store.get('alias', parsed.alias), (alias) => {
          if (alias) return this.byFingerprint(alias.fingerprint);
          return parsed.name === undefined ? undefined : this.#byName(parsed.name);
        });
    }
  }

  byFingerprint(fingerprint: Fingerprint): Eventual<IdentityRecord | undefined> {
    return chain(
      this.#store.get('identity', fingerprint),
      (document) => document && this.#withStanding(document),
    );
  }

  /**
   * Takes in a token, or its renewal. Throws OverlayError `name-taken` when another key has the name, and TokenError
   * for a token that proves nothing. The name is claimed first: a crash in between leaves a claim that its owner
   * repeats, and no identity that somebody else's name leads to.
   */
  async enrol(source: IdentityToken | Uint8Array, { status, custody, nowMs }: Enrolment): Promise<Enrolled> {
    const token = source instanceof Uint8Array ? decodeIdentityToken(source) : source;
    checkToken(token, nowMs);
    const standing = await this.#store.get('standing', standingKey(token.publicKey));
    if (standing?.revokedAtMs !== undefined) throw new OverlayError('revoked', 'this key has been revoked');
    await this.checkParent(token, nowMs);
    const number = ownNumber(token.subject);
    if (number !== undefined) await this.#claimAlias(number, token.fingerprint);
    let named = false;
    const claim = this.#claimName(token, () => {
      named = true;
    });
    // A local store makes its changes in order, and both of these in one transaction.
    if (!this.#store.isLocal) await claim;
    let outcome: Enrolled['outcome'] = 'new';
    const taken = this.#store.update('identity', token.fingerprint, (stored) => {
      if (!named) return keep;
      outcome = stored ? 'known' : 'new';
      // An older token must not bring back times or attributes that its owner has replaced.
      if (stored && stored.issuedAt >= token.issuedAt && !expiresLater(token, stored)) return keep;
      if (stored) outcome = 'renewed';
      const fresh = { custody, aliases: number === undefined ? [] : [number], createdAtMs: nowMs, status };
      return { ...fresh, ...stored, ...tokenFacts(token) };
    });
    const [, document] = await Promise.all([claim, taken]);
    if (!document) throw new OverlayError('store-corrupt', 'the identity is gone right after it was stored');
    return { record: identityRecord(document, this.#clock.now(), standing), outcome };
  }

  async approve(fingerprint: Fingerprint): Promise<IdentityRecord> {
    const document = await this.#store.update('identity', fingerprint, (stored) =>
      stored ? { ...stored, status: 'active' } : keep,
    );
    return this.existing(document);
  }

  async countProof(publicKey: Uint8Array, verified: boolean, nowMs: number): Promise<void> {
    await this.#store.update('standing', standingKey(publicKey), (stored = noStanding) => ({
      ...stored,
      ...provedAt(stored, verified, nowMs),
    }));
  }

  /** Throws OverlayError `alias-invalid`, `alias-taken` or `unknown-identity`. */
  async addAlias(fingerprint: Fingerprint, alias: string): Promise<IdentityRecord> {
    if (!isAlias(alias))
      throw new OverlayError('alias-invalid', 'an alias is an extension or an E.164 number');
    await this.existing(await this.#store.get('identity', fingerprint));
    await this.#claimAlias(alias, fingerprint);
    return this.existing(
      await this.#store.update('identity', fingerprint, (stored) =>
        !stored || stored.aliases.includes(alias) ? keep : { ...stored, aliases: [...stored.aliases, alias] },
      ),
    );
  }

  async removeAlias(fingerprint: Fingerprint, alias: string): Promise<IdentityRecord> {
    const document = await this.#store.update('identity', fingerprint, (stored) =>
      stored?.aliases.includes(alias)
        ? { ...stored, aliases: stored.aliases.filter((other) => other !== alias) }
        : keep,
    );
    await this.#store.update('alias', alias, (stored) =>
      stored?.fingerprint === fingerprint ? undefined : keep,
    );
    return this.existing(document);
  }

  async list(options: ListOptions): Promise<Page<IdentityRecord>> {
    const { entries, cursor } = await this.#store.list('identity', options);
    const items = await all(entries.map(([, document]) => this.#withStanding(document)));
    return { items, cursor };
  }

  #newest(found: Eventual<IdentityRecord | undefined>, steps: number): Eventual<IdentityRecord | undefined> {
    return chain(found, (record) =>
      record?.successor === undefined || steps === 0
        ? record
        : this.#newest(this.byFingerprint(record.successor), steps - 1),
    );
  }

  /** A pseudonym that shows its parent counts only with that parent's approval, checked with the key known here. */
  async checkParent(token: IdentityToken, nowMs: number): Promise<void> {
    if (token.issuerProof === undefined) return;
    const parent = await this.byFingerprint(token.issuer);
    if (!parent) throw new OverlayError('issuer-unknown', 'the parent of this pseudonym is not known here');
    const ended = parent.expires * 1000 <= nowMs;
    if (parent.status === 'revoked' || parent.status === 'pending' || ended)
      throw new OverlayError('issuer-invalid', 'the parent of this pseudonym is not valid');
    if (verifyIssuer(token, decodeIdentityToken(parent.token)) !== 'approved')
      throw new OverlayError('issuer-invalid', 'the parent has not approved this pseudonym');
  }

  #byName(name: string): Eventual<IdentityRecord | undefined> {
    return chain(this.#store.get('name', name), (claim) => claim && this.byFingerprint(claim.fingerprint));
  }

  #withStanding(document: IdentityDocument): Eventual<IdentityRecord> {
    return chain(this.#store.get('standing', standingKey(document.publicKey)), (standing) =>
      identityRecord(document, this.#clock.now(), standing),
    );
  }

  /** Throws OverlayError `unknown-identity` for what was looked up and is not there. */
  async existing(document: IdentityDocument | undefined): Promise<IdentityRecord> {
    if (!document) throw new OverlayError('unknown-identity', 'there is no such identity');
    return this.#withStanding(document);
  }

  async #claimAlias(alias: string, fingerprint: Fingerprint): Promise<void> {
    await this.#store.update('alias', alias, (stored) => {
      if (stored && stored.fingerprint !== fingerprint)
        throw new OverlayError('alias-taken', `${alias} belongs to another identity`);
      return stored ? keep : { fingerprint };
    });
  }

  /** A key that makes itself a second identity under its name takes the name along. */
  async #claimName({ subject, publicKey, fingerprint }: IdentityToken, onClaimed: () => void): Promise<void> {
    await this.#store.update('name', subject, (stored) => {
      if (stored && !equalBytes(asBuffer(stored.publicKey), publicKey))
        throw new OverlayError('name-taken', `${subject} belongs to another key`);
      onClaimed();
      return stored?.fingerprint === fingerprint ? keep : { fingerprint, publicKey };
    });
  }
}

/** What a token says, as it is stored. */
export function tokenFacts(
  token: IdentityToken,
): Pick<
  IdentityDocument,
  'fingerprint' | 'name' | 'publicKey' | 'token' | 'issuedAt' | 'notBefore' | 'expires' | 'realm' | 'parent'
> {
  return {
    fingerprint: token.fingerprint,
    name: token.subject,
    publicKey: token.publicKey,
    token: token.bytes,
    issuedAt: token.issuedAt,
    notBefore: token.notBefore,
    expires: token.expires,
    ...(token.realm !== undefined && { realm: token.realm }),
    ...(token.issuerProof !== undefined && { parent: token.issuer }),
  };
}

/**
 * The number of a name such as `jis:1007`: whoever has the name has the extension, and the other way round, so that
 * nobody can call as, or be called in place of, somebody else's extension.
 */
function ownNumber(name: string): string | undefined {
  const bare = name.startsWith(jisPrefix) ? name.slice(jisPrefix.length) : '';
  return isAlias(bare) ? bare : undefined;
}

function expiresLater(token: IdentityToken, stored: IdentityDocument): boolean {
  return token.issuedAt === stored.issuedAt && token.expires > stored.expires;
}

export function checkToken(token: IdentityToken, nowMs: number): void {
  if (token.kind !== 'identity') throw new OverlayError('not-an-identity', 'a node token cannot be enrolled');
  if (token.subject.startsWith(jisPrefix) && !parseName(token.subject))
    throw new OverlayError('name-invalid', 'the name is not made of [a-z0-9._-] segments');
  if (!token.subject.includes(':'))
    throw new OverlayError('name-invalid', 'the name has no scheme such as jis:');
  const validity = checkValidity(token, Math.floor(nowMs / 1000));
  if (validity === 'expired') throw new OverlayError('token-expired', 'the identity token has expired');
  if (validity === 'not-yet-valid')
    throw new OverlayError('token-not-yet-valid', 'the identity token is not valid yet');
}

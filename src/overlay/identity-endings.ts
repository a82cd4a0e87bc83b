import {
  decodeIdentityToken,
  encodeSuccession,
  type Fingerprint,
  type IdentityToken,
  type Succession,
  type Tombstone,
  verifySuccession,
} from '../tokens/index.ts';
import { type IdentityDocument, term } from './documents.ts';
import { OverlayError } from './errors.ts';
import { chain, type Eventual } from './eventual.ts';
import { checkToken, type IdentityDirectory, tokenFacts } from './identity-directory.ts';
import { type IdentityRecord, noStanding, standingKey } from './identity-record.ts';
import { keep, type OverlayStore } from './store.ts';

/** An identity that has named another to take its place. */
export interface Predecessor {
  readonly token: Uint8Array;
  readonly succession: Uint8Array;
}

/** How identities end: their key is revoked, or another takes their place. */
export class IdentityEndings {
  readonly #store: OverlayStore;
  readonly #directory: IdentityDirectory;

  constructor(store: OverlayStore, directory: IdentityDirectory) {
    this.#store = store;
    this.#directory = directory;
  }

  /** Takes the key, and with it every identity of this key, out of service for good. */
  async revoke(fingerprint: Fingerprint, nowMs: number): Promise<IdentityRecord> {
    const { publicKey } = await this.#known(fingerprint);
    await this.#entomb(publicKey, nowMs);
    return this.#known(fingerprint);
  }

  /** The same by the key's own word, which holds for identities too that nobody here has seen yet. */
  async bury({ token, bytes }: Tombstone, nowMs: number): Promise<void> {
    await this.#entomb(token.publicKey, nowMs, bytes);
  }

  /** The keys that were revoked on a day or the one before it, as `standingKey` writes them. */
  async revokedAround(day: number): Promise<readonly string[]> {
    const found = [
      ...(await this.#store.find('standing', term.revokedOn(day - 1))),
      ...(await this.#store.find('standing', term.revokedOn(day))),
    ];
    return found.map(([key]) => key);
  }

  /**
   * Lets `next` take the place of the identity that has named it: its name, its aliases, and calls to its fingerprint.
   * Each step can be repeated, and the old identity steps back last: a crash in between loses nobody. Throws OverlayError.
   */
  async succeed(succession: Succession, next: IdentityToken, nowMs: number): Promise<IdentityRecord> {
    checkToken(next, nowMs);
    const old = await this.#store.get('identity', succession.from);
    const { status } = await this.#directory.existing(old);
    if (!old || status === 'revoked') throw new OverlayError('revoked', 'the old key has been revoked');
    if (old.successor !== undefined && old.successor !== next.fingerprint)
      throw new OverlayError('superseded', 'the old identity has named another successor');
    if (verifySuccession(succession, decodeIdentityToken(old.token), next) !== 'valid')
      throw new OverlayError('succession-invalid', 'both keys have to sign the change, for one name');
    const standing = await this.#store.get('standing', standingKey(next.publicKey));
    if (standing?.revokedAtMs !== undefined)
      throw new OverlayError('revoked', 'the new key has been revoked');
    await this.#directory.checkParent(next, nowMs);
    const document = await this.#store.update('identity', next.fingerprint, (stored) =>
      successorOf(old, next, stored),
    );
    await this.#store.update('name', next.subject, (stored) => {
      if (stored && stored.fingerprint !== old.fingerprint && stored.fingerprint !== next.fingerprint)
        throw new OverlayError('name-taken', `${next.subject} belongs to another key`);
      return { fingerprint: next.fingerprint, publicKey: next.publicKey };
    });
    for (const alias of old.aliases)
      await this.#store.update('alias', alias, (stored) =>
        stored?.fingerprint === old.fingerprint ? { fingerprint: next.fingerprint } : keep,
      );
    await this.#store.update('identity', old.fingerprint, (stored) =>
      stored ? { ...stored, successor: next.fingerprint, succession: encodeSuccession(succession) } : keep,
    );
    return this.#directory.existing(document);
  }

  /** Whether a key was revoked here, known by an identity or not. */
  isRevoked(publicKey: Uint8Array): Eventual<boolean> {
    return chain(
      this.#store.get('standing', standingKey(publicKey)),
      (standing) => standing?.revokedAtMs !== undefined,
    );
  }

  /** Whose place an identity has taken, the latest first, as far as both keys' signatures are known. */
  async predecessors(fingerprints: readonly Fingerprint[]): Promise<readonly Predecessor[]> {
    const found: Predecessor[] = [];
    for (const fingerprint of fingerprints.toReversed()) {
      const old = await this.#store.get('identity', fingerprint);
      if (old?.succession === undefined) break;
      found.push({ token: old.token, succession: old.succession });
    }
    return found;
  }

  async #known(fingerprint: Fingerprint): Promise<IdentityRecord> {
    return this.#directory.existing(await this.#store.get('identity', fingerprint));
  }

  async #entomb(publicKey: Uint8Array, nowMs: number, tombstone?: Uint8Array): Promise<void> {
    await this.#store.update('standing', standingKey(publicKey), (stored = noStanding) => {
      // The key's own word is worth keeping beside an operator's, and the first time stands.
      if (stored.revokedAtMs !== undefined && (stored.tombstone || !tombstone)) return keep;
      return { ...stored, revokedAtMs: stored.revokedAtMs ?? nowMs, ...(tombstone && { tombstone }) };
    });
  }
}

/** An older token must not bring back times or attributes that its owner has replaced. */
function successorOf(
  old: IdentityDocument,
  next: IdentityToken,
  stored: IdentityDocument | undefined,
): IdentityDocument {
  const { createdAtMs, status, aliases, predecessors = [] } = old;
  const facts = stored !== undefined && stored.issuedAt >= next.issuedAt ? stored : tokenFacts(next);
  return {
    custody: 'device',
    createdAtMs,
    status,
    ...stored,
    ...facts,
    aliases: union(stored?.aliases ?? [], aliases),
    predecessors: union(predecessors, [old.fingerprint]),
  };
}

function union(some: readonly string[], more: readonly string[]): readonly string[] {
  return [...new Set([...some, ...more])];
}

import type { Clock } from '../base/index.ts';
import { type Fingerprint, type SeededSigningKey, signingKeyFromSeed } from '../tokens/index.ts';
import { type CredentialDocument, term } from './documents.ts';
import { OverlayError } from './errors.ts';
import type { Eventual } from './eventual.ts';
import type { Page } from './overlay-options.ts';
import { keep, type ListOptions, type OverlayStore } from './store.ts';

/** What is kept of a stock phone's password (RFC 7616 §3.4.2): one hash per algorithm, good for one realm. */
export interface DeviceCredential {
  readonly username: string;
  readonly realm: string;
  readonly ha1Md5: string;
  readonly ha1Sha256: string;
  readonly ha1Sha512256?: string;
}

const maxUsernameLength = 128;

/** Stock phones: digest credentials by user name, and the keys that the gateway holds for their identities. */
export class DeviceBook {
  readonly #store: OverlayStore;
  readonly #clock: Clock;

  constructor(store: OverlayStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** At once when cached or embedded. */
  find(username: string): Eventual<CredentialDocument | undefined> {
    // The name comes from the network: what could never be stored is not looked up.
    return username.length === 0 || username.length > maxUsernameLength
      ? undefined
      : this.#store.get('credential', username);
  }

  /** A new password for a phone replaces its old one; throws OverlayError `username-taken` for another identity's. */
  async save(fingerprint: Fingerprint, credential: DeviceCredential): Promise<CredentialDocument> {
    const { username, realm, ha1Md5, ha1Sha256, ha1Sha512256 } = credential;
    if (username.length === 0 || username.length > maxUsernameLength)
      throw new OverlayError('username-taken', `a user name has 1 to ${maxUsernameLength} characters`);
    const document: CredentialDocument = {
      ...{ username, realm, fingerprint, ha1Md5, ha1Sha256, createdAtMs: this.#clock.now() },
      ...(ha1Sha512256 !== undefined && { ha1Sha512256 }),
    };
    await this.#store.update('credential', username, (stored) => {
      if (stored && stored.fingerprint !== fingerprint)
        throw new OverlayError('username-taken', `the user name ${username} belongs to another identity`);
      return document;
    });
    return document;
  }

  async remove(username: string): Promise<CredentialDocument | undefined> {
    let removed: CredentialDocument | undefined;
    await this.#store.update('credential', username, (stored) => {
      removed = stored;
      return stored ? undefined : keep;
    });
    return removed;
  }

  async of(fingerprint: Fingerprint): Promise<readonly CredentialDocument[]> {
    const entries = await this.#store.find('credential', term.owner(fingerprint));
    return entries.map(([, document]) => document);
  }

  async list(options: ListOptions): Promise<Page<CredentialDocument>> {
    const { entries, cursor } = await this.#store.list('credential', options);
    return { items: entries.map(([, document]) => document), cursor };
  }

  /** Once stored, a key is never replaced: it is what the fingerprint stands for. */
  async keepKey(fingerprint: Fingerprint, key: SeededSigningKey): Promise<void> {
    await this.#store.update('custody', fingerprint, (stored) => (stored ? keep : { seed: key.seed }));
  }

  async key(fingerprint: Fingerprint): Promise<SeededSigningKey | undefined> {
    const stored = await this.#store.get('custody', fingerprint);
    return stored && signingKeyFromSeed(stored.seed);
  }

  async forgetKey(fingerprint: Fingerprint): Promise<void> {
    await this.#store.update('custody', fingerprint, () => undefined);
  }
}

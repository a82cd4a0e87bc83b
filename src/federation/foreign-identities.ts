import { type Clock, encodeBase64Url, epochSeconds } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import { FederationError } from './errors.ts';
import { readPublished, type VerifiedIdentity, verifyPublished } from './published-identity.ts';
import type { RecordClient } from './record-client.ts';

/** What was seen of an identity or a name before, kept over restarts. */
export interface ForeignMemory {
  readonly domain: string;
  /** Of the newest record that was seen; seconds. */
  readonly homeSince: number;
  /** Of a name: the key that holds it, in base64url. */
  readonly publicKey: string;
}

export interface ForeignMemories {
  get(key: string): Promise<ForeignMemory | undefined> | ForeignMemory | undefined;
  /** Changes one memory; what `change` throws, it throws, and nothing has changed. */
  update(key: string, change: (stored: ForeignMemory | undefined) => ForeignMemory): Promise<void>;
}

export interface ForeignIdentitiesOptions {
  readonly client: Pick<RecordClient, 'get'>;
  readonly memories: ForeignMemories;
  /** Domains that are asked where a bare fingerprint lives. */
  readonly directories: readonly string[];
  readonly clock: Clock;
  /** How old an identity's own word about its home may be. */
  readonly maxAgeSeconds: number;
  /** How long a record, or that there is none, is remembered. */
  readonly freshMs: number;
  readonly maxRemembered: number;
}

interface Remembered {
  readonly answer: Promise<VerifiedIdentity>;
  readonly untilMs: number;
}

/** Domains that one directory may name for one fingerprint, and that are tried in all. */
const maxDomains = 4;

/** Finds identities of other operators. Nobody is believed: each record proves itself, and none may be older than before. */
export class ForeignIdentities {
  readonly #options: ForeignIdentitiesOptions;
  readonly #remembered = new Map<string, Remembered>();

  constructor(options: ForeignIdentitiesOptions) {
    this.#options = options;
  }

  /** `name` is a whole name, such as `jis:bob`. Rejects with FederationError. */
  byName(name: string, domain: string): Promise<VerifiedIdentity> {
    return this.#once(`${name}@${domain}`, async () => {
      const found = await this.#fetch(domain, `/name/${encodeURIComponent(name)}`, { name });
      await this.#notOlder(found);
      // The domain decides who has a name; that it has changed its mind is the operator's to look into. A key that has
      // named its successor has changed its own.
      await this.#options.memories.update(`${name}@${domain}`, (stored) => {
        if (stored !== undefined && !keysOf(found).includes(stored.publicKey))
          throw new FederationError('name-changed', `${name}@${domain} had another key before`);
        return memoryOf(found);
      });
      return found;
    });
  }

  byFingerprint(fingerprint: Fingerprint, domain: string): Promise<VerifiedIdentity> {
    return this.#once(`${fingerprint}@${domain}`, async () => {
      const found = await this.#fetch(domain, `/identity/${fingerprint}`, { fingerprint });
      await this.#notOlder(found);
      return found;
    });
  }

  /** Wherever it is: all directories are asked, and of what proves itself the newest counts. */
  anywhere(fingerprint: Fingerprint): Promise<VerifiedIdentity> {
    return this.#once(fingerprint, async () => {
      const { directories, memories } = this.#options;
      const seen = await memories.get(fingerprint);
      const named = await Promise.allSettled(
        directories.map((domain) => this.#domainsOf(fingerprint, domain)),
      );
      const domains = new Set(seen === undefined ? [] : [seen.domain]);
      // Each directory in turn: one that names many does not crowd out the others.
      for (let at = 0; at < maxDomains; at++)
        for (const answer of named) {
          const domain = answer.status === 'fulfilled' ? answer.value[at] : undefined;
          if (domain !== undefined) domains.add(domain);
        }
      const found = await Promise.allSettled(
        [...domains].slice(0, maxDomains * 4).map((domain) => this.byFingerprint(fingerprint, domain)),
      );
      const [newest] = found
        .flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
        .toSorted((a, b) => b.homeSince - a.homeSince);
      if (newest !== undefined) return newest;
      const failure = found.find((answer) => answer.status === 'rejected');
      throw failure?.reason ?? new FederationError('not-found', 'no directory knows this fingerprint');
    });
  }

  /** Where somebody was seen to live, for those who ask this gateway as their directory. */
  async seenAt(fingerprint: Fingerprint): Promise<string | undefined> {
    return (await this.#options.memories.get(fingerprint))?.domain;
  }

  async #fetch(
    domain: string,
    path: string,
    asked: { readonly fingerprint?: Fingerprint; readonly name?: string },
  ): Promise<VerifiedIdentity> {
    const { client, clock, maxAgeSeconds } = this.#options;
    const published = readPublished(await client.get(domain, path));
    return verifyPublished(published, { ...asked, domain, now: epochSeconds(clock), maxAgeSeconds });
  }

  /** A record that is older than one that was seen is a replay, whoever shows it. */
  async #notOlder(found: VerifiedIdentity): Promise<void> {
    await this.#options.memories.update(found.token.fingerprint, (stored) => {
      if (stored !== undefined && found.homeSince < stored.homeSince)
        throw new FederationError('rolled-back', 'a newer record of this identity was seen before');
      return memoryOf(found);
    });
  }

  async #domainsOf(fingerprint: Fingerprint, directory: string): Promise<readonly string[]> {
    const answer: unknown = JSON.parse(await this.#options.client.get(directory, `/where/${fingerprint}`));
    const domains =
      typeof answer === 'object' && answer !== null && 'domains' in answer ? answer.domains : undefined;
    return Array.isArray(domains)
      ? domains.filter((domain) => typeof domain === 'string').slice(0, maxDomains)
      : [];
  }

  /** One question for all who ask at the same time, and the answer for a while. */
  #once(key: string, find: () => Promise<VerifiedIdentity>): Promise<VerifiedIdentity> {
    const { clock, freshMs, maxRemembered } = this.#options;
    const now = clock.monotonicMs();
    const known = this.#remembered.get(key);
    if (known !== undefined && known.untilMs > now) return known.answer;
    this.#remembered.delete(key);
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size >= maxRemembered && oldest !== undefined) this.#remembered.delete(oldest);
    const answer = find();
    this.#remembered.set(key, { answer, untilMs: now + freshMs });
    answer.catch((error: unknown) => {
      // Who was too busy to ask has learned nothing.
      const busy = error instanceof FederationError && error.code === 'busy';
      if (busy && this.#remembered.get(key)?.answer === answer) this.#remembered.delete(key);
    });
    return answer;
  }
}

/** Its own, and those of the identities that have handed their place over to it. */
function keysOf({ token, predecessors }: VerifiedIdentity): readonly string[] {
  return [token, ...predecessors].map(({ publicKey }) => encodeBase64Url(publicKey));
}

function memoryOf(found: VerifiedIdentity): ForeignMemory {
  return {
    domain: found.domain,
    homeSince: found.homeSince,
    publicKey: encodeBase64Url(found.token.publicKey),
  };
}

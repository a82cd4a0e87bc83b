import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemberBook, VouchingService } from '../../src/admission/index.ts';
import { encodeBase64Url, systemClock } from '../../src/base/index.ts';
import {
  type Attribute,
  claimAttribute,
  createIdentityToken,
  type Fingerprint,
  generateSigningKey,
  type IdentityToken,
  issueClaim,
  renewIdentityToken,
  type SeededSigningKey,
} from '../../src/tokens/index.ts';

/** Somebody with a key, as the command line would make it. */
export interface Person {
  readonly token: IdentityToken;
  readonly key: SeededSigningKey;
  readonly attributes: readonly Attribute[];
}

export interface PersonOptions {
  /** Whose pseudonym it is; it does not tell unless `shown`. */
  readonly parent?: Person;
  readonly shown?: boolean;
  readonly realm?: Fingerprint;
  readonly attributes?: readonly Attribute[];
  readonly lifetimeSeconds?: number;
}

const day = 86_400;

// Tests move the gateway's clock within a day.
const times = (lifetimeSeconds: number = 2 * day): { notBefore: number; expires: number; now: number } => {
  const now = Math.floor(Date.now() / 1000);
  return { notBefore: now - 2 * day, expires: now + lifetimeSeconds, now };
};

export function person(
  subject: string,
  { parent, shown, realm, attributes = [], lifetimeSeconds }: PersonOptions = {},
): Person {
  const key = generateSigningKey();
  const issuer = parent && { key: parent.key, fingerprint: parent.token.fingerprint };
  const token = createIdentityToken({
    key,
    subject,
    ...times(lifetimeSeconds),
    ...(issuer && (shown ? { issuer } : { hiddenIssuer: issuer })),
    ...(realm === undefined ? {} : { realm }),
    attributes,
  });
  return { token, key, attributes };
}

/** The same person, showing what `issuer` says of it. */
export function withClaim(
  { token, key, attributes }: Person,
  issuer: Person,
  name: string,
  value: string | number | boolean = true,
  changes: { readonly subject?: Fingerprint; readonly expires?: number } = {},
): Person & { readonly claim: Uint8Array } {
  const { now, expires } = times();
  const claim = issueClaim({
    key: issuer.key,
    issuer: issuer.token.fingerprint,
    subject: token.fingerprint,
    name,
    value,
    now,
    expires,
    ...changes,
  });
  const all = [...attributes, claimAttribute(claim, 'identity+message')];
  const renewed = renewIdentityToken(token, { key, ...times(), now: token.issuedAt + 1, attributes: all });
  return { token: renewed, key, attributes: all, claim: claim.bytes };
}

/** A realm's real service on a free port, with its members in a file. */
export class TestRealm {
  readonly person: Person;
  readonly members: MemberBook;
  readonly #directory: string;
  readonly #service: VouchingService;
  #port = 0;

  private constructor(subject: string, answerLifetimeSeconds: number) {
    this.person = person(subject);
    this.#directory = mkdtempSync(join(tmpdir(), 'tibet-realm-'));
    this.members = new MemberBook(join(this.#directory, 'members.json'));
    writeFileSync(this.tokenFile, encodeBase64Url(this.person.token.bytes));
    this.#service = new VouchingService({
      host: '127.0.0.1',
      port: 0,
      ...this.person,
      members: this.members,
      answerLifetimeSeconds,
      clock: systemClock,
    });
  }

  static async open(subject: string, answerLifetimeSeconds = 300): Promise<TestRealm> {
    const realm = new TestRealm(subject, answerLifetimeSeconds);
    realm.#port = await realm.#service.start();
    return realm;
  }

  get fingerprint(): Fingerprint {
    return this.person.token.fingerprint;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/vouch`;
  }

  get tokenFile(): string {
    return join(this.#directory, 'realm.pub');
  }

  /** As it stands in the configuration. */
  authority(name: string, more = ''): string {
    return `{name: ${name}, identity: "${this.tokenFile}", url: "${this.url}"${more}}`;
  }

  admit({ token: { fingerprint, subject } }: Person): void {
    this.members.add({ fingerprint, name: subject });
  }

  /** Takes the service away; the members stay. */
  stop(): Promise<void> {
    return this.#service.close();
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

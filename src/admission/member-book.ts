import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { type Fingerprint, isFingerprint } from '../tokens/index.ts';

/** Somebody whom a realm knows. */
export interface Member {
  readonly fingerprint: Fingerprint;
  /** For the realm's own people. */
  readonly name: string;
  /** Who stands behind a pseudonym, when the realm knows; told to auditors only. */
  readonly person?: Fingerprint;
}

export interface MemberList {
  readonly members: readonly Member[];
  /** SHA-256 of claims that the realm no longer stands by, base64url. */
  readonly withdrawnClaims: readonly string[];
}

const format = 'tibet-members';
const nobody: MemberList = { members: [], withdrawnClaims: [] };

/** A realm's members in a JSON file, which people may edit; read again whenever it has changed. */
export class MemberBook {
  readonly #path: string;
  #stamp = '';
  #list: MemberList = nobody;
  #byFingerprint: ReadonlyMap<Fingerprint, Member> = new Map();
  #withdrawn: ReadonlySet<string> = new Set();

  constructor(path: string) {
    this.#path = path;
  }

  /** Undefined for who is no member. Throws Error for a file that cannot be read: nobody is confirmed then. */
  find(fingerprint: Fingerprint): Member | undefined {
    this.#refresh();
    return this.#byFingerprint.get(fingerprint);
  }

  isWithdrawn(claimHash: string): boolean {
    this.#refresh();
    return this.#withdrawn.has(claimHash);
  }

  list(): MemberList {
    this.#refresh();
    return this.#list;
  }

  add(member: Member): void {
    const { members, ...rest } = this.list();
    const others = members.filter(({ fingerprint }) => fingerprint !== member.fingerprint);
    this.#write({ ...rest, members: [...others, member] });
  }

  /** False when there was no such member. */
  remove(fingerprint: Fingerprint): boolean {
    const { members, ...rest } = this.list();
    const others = members.filter((member) => member.fingerprint !== fingerprint);
    if (others.length === members.length) return false;
    this.#write({ ...rest, members: others });
    return true;
  }

  withdraw(claimHash: string): void {
    const { members, withdrawnClaims } = this.list();
    this.#write({ members, withdrawnClaims: [...new Set([...withdrawnClaims, claimHash])] });
  }

  #refresh(): void {
    const found = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
    const stamp = found === undefined ? '' : `${found.mtimeNs} ${found.size} ${found.ino}`;
    if (stamp === this.#stamp) return;
    this.#list = found === undefined ? nobody : parse(this.#path, readFileSync(this.#path, 'utf8'));
    this.#byFingerprint = new Map(this.#list.members.map((member) => [member.fingerprint, member]));
    this.#withdrawn = new Set(this.#list.withdrawnClaims);
    this.#stamp = stamp;
  }

  #write(list: MemberList): void {
    const temporary = `${this.#path}.tmp`;
    const text = `${JSON.stringify({ format, version: 1, ...list }, undefined, 2)}\n`;
    writeFileSync(temporary, text, { mode: 0o600, flush: true });
    renameSync(temporary, this.#path);
    this.#stamp = 'changed';
  }
}

function parse(path: string, text: string): MemberList {
  const file: unknown = JSON.parse(text);
  if (!isRecord(file) || file['format'] !== format || file['version'] !== 1)
    throw new Error(`${path} is not a list of members`);
  const { members = [], withdrawnClaims = [] } = file;
  if (!Array.isArray(members) || !members.every(isMember))
    throw new Error(`${path}: each member has a fingerprint and a name`);
  if (!isTexts(withdrawnClaims)) throw new Error(`${path}: withdrawnClaims is a list of hashes`);
  return { members, withdrawnClaims };
}

function isMember(value: unknown): value is Member {
  if (!isRecord(value)) return false;
  const { fingerprint, name, person } = value;
  const personFits = person === undefined || (typeof person === 'string' && isFingerprint(person));
  return (
    typeof fingerprint === 'string' && isFingerprint(fingerprint) && typeof name === 'string' && personFits
  );
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

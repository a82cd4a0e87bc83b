import { encodeHex } from './bytes.ts';
import { VerifyError } from './error.ts';
import { type NoteKey, parseVkey } from './note.ts';

const maxPolicyLines = 4096;
const none = 'none';

export interface PolicyLog {
  readonly key: NoteKey;
  readonly url: string | undefined;
}

export interface PolicyWitness extends PolicyLog {
  /** What the policy calls it; its key has a name of its own. */
  readonly name: string;
}

interface Group {
  readonly threshold: number;
  readonly members: readonly string[];
}

/** C2SP tlog-policy: which logs and witnesses somebody trusts, and how many of the witnesses are enough. */
export class Policy {
  readonly logs: readonly PolicyLog[];
  readonly witnesses: readonly PolicyWitness[];
  readonly #groups: ReadonlyMap<string, Group>;
  readonly #quorum: string;

  constructor(parts: PolicyParts) {
    this.logs = parts.logs;
    this.witnesses = parts.witnesses;
    this.#groups = parts.groups;
    this.#quorum = parts.quorum;
  }

  /** False for `quorum none`: then no number of cosignatures makes a checkpoint witnessed. */
  get asksForWitnesses(): boolean {
    return this.#quorum !== none;
  }

  /** Who of the policy's witnesses made these cosignatures, by their names in it. */
  cosigners(cosignatures: readonly { readonly key: NoteKey }[]): ReadonlySet<string> {
    const keys = new Set(cosignatures.map(({ key }) => key));
    return new Set(this.witnesses.filter(({ key }) => keys.has(key)).map(({ name }) => name));
  }

  /** Whether these witnesses (names in the policy) are enough. */
  satisfiedBy(cosigners: ReadonlySet<string>): boolean {
    return this.asksForWitnesses && this.#holds(this.#quorum, cosigners);
  }

  #holds(name: string, cosigners: ReadonlySet<string>): boolean {
    const group = this.#groups.get(name);
    if (!group) return cosigners.has(name);
    return group.members.filter((member) => this.#holds(member, cosigners)).length >= group.threshold;
  }
}

interface PolicyParts {
  readonly logs: PolicyLog[];
  readonly witnesses: PolicyWitness[];
  readonly groups: Map<string, Group>;
  quorum: string;
}

/** Throws VerifyError `policy` with the number of the line. */
export function parsePolicy(text: string): Policy {
  const parser = new PolicyParser();
  const lines = text.split('\n');
  if (lines.length > maxPolicyLines) throw new VerifyError('policy', 'the policy has too many lines');
  for (const [at, line] of lines.entries()) parser.line(line, at + 1);
  return parser.policy();
}

class PolicyParser {
  readonly #parts: PolicyParts = { logs: [], witnesses: [], groups: new Map(), quorum: '' };
  readonly #keys = { log: new Set<string>(), witness: new Set<string>() };
  readonly #members = new Set<string>();
  #at = 0;

  line(text: string, at: number): void {
    this.#at = at;
    for (let i = 0; i < text.length; i++)
      if (text.charCodeAt(i) < 0x20 && text[i] !== '\t') throw this.#bad('control characters');
    const words = text.split(/[ \t]+/).filter((word) => word !== '');
    const [keyword = '', ...rest] = words;
    if (keyword === '' || keyword.startsWith('#')) return;
    if (keyword === 'log') this.#log(rest);
    else if (keyword === 'witness') this.#witness(rest);
    else if (keyword === 'group') this.#group(rest);
    else if (keyword === 'quorum') this.#quorum(rest);
    else throw this.#bad(`"${keyword}" is none of log, witness, group, quorum`);
  }

  policy(): Policy {
    if (this.#parts.quorum === '') throw new VerifyError('policy', 'the policy has no quorum line');
    return new Policy(this.#parts);
  }

  #log([vkey = '', url, ...more]: readonly string[]): void {
    if (more.length > 0) throw this.#bad('log <vkey> [<url>] expected');
    const key = this.#key('log', vkey);
    if (key.type !== 'ed25519') throw this.#bad('the key is not that of a log');
    this.#parts.logs.push({ key, url });
  }

  #witness([name = '', vkey = '', url, ...more]: readonly string[]): void {
    if (more.length > 0) throw this.#bad('witness <name> <vkey> [<url>] expected');
    const key = this.#key('witness', vkey);
    if (key.type === 'ed25519') throw this.#bad('the key is not that of a witness');
    this.#define(name);
    this.#parts.witnesses.push({ name, key, url });
  }

  #group([name = '', threshold = '', ...members]: readonly string[]): void {
    const count = threshold === 'any' ? 1 : threshold === 'all' ? members.length : Number(threshold);
    if (!Number.isInteger(count) || count < 1 || count > members.length)
      throw this.#bad('group <name> all|any|<k> <member>... expected, with k up to the number of members');
    for (const member of members) {
      if (!this.#isDefined(member)) throw this.#bad(`"${member}" is not defined above`);
      if (this.#members.has(member)) throw this.#bad(`"${member}" is a member already`);
      this.#members.add(member);
    }
    this.#define(name);
    this.#parts.groups.set(name, { threshold: count, members });
  }

  #quorum([name = '', ...more]: readonly string[]): void {
    if (this.#parts.quorum !== '') throw this.#bad('there is a quorum line already');
    if (more.length > 0 || (name !== none && !this.#isDefined(name)))
      throw this.#bad(`"${name}" is not defined above`);
    this.#parts.quorum = name;
  }

  /** Two verifier keys are the same when they wrap the same public key, whatever their names. */
  #key(kind: 'log' | 'witness', vkey: string): NoteKey {
    let key: NoteKey;
    try {
      key = parseVkey(vkey);
    } catch (error) {
      throw error instanceof VerifyError ? this.#bad(error.message) : error;
    }
    const bytes = encodeHex(key.publicKey);
    if (this.#keys[kind].has(bytes)) throw this.#bad('the same key stands there twice');
    this.#keys[kind].add(bytes);
    return key;
  }

  #define(name: string): void {
    if (name === '' || name === none || this.#isDefined(name))
      throw this.#bad(`"${name}" cannot be defined here`);
  }

  #isDefined(name: string): boolean {
    return this.#parts.groups.has(name) || this.#parts.witnesses.some((witness) => witness.name === name);
  }

  #bad(why: string): VerifyError {
    return new VerifyError('policy', `line ${this.#at} of the policy: ${why}`);
  }
}

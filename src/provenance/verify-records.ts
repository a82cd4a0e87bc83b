import { decodeBase32, encodeBase32 } from '../base/index.ts';
import { type Fingerprint, fingerprintFromBytes, TokenError } from '../tokens/index.ts';
import { decodeEntry, decodeOpening } from './entry.ts';
import { ProvenanceError } from './error.ts';
import { byFingerprint } from './heads-order.ts';
import { IdSet } from './id-set.ts';
import { HeadsTree, headsEvent, type IdentityHead } from './identity-heads.ts';
import {
  type KeySuccession,
  keySuccessionEvent,
  nodeRevocationEvent,
  successionDirectory,
} from './key-succession.ts';
import { leafHash } from './merkle-tree.ts';
import { PartyKeySnapshot, partyKeysPath } from './party-keys.ts';
import { decodeReceipt, ReceiptChecker } from './receipt.ts';
import {
  type OpenedRecord,
  openRecord,
  type RawRecord,
  readPartyItem,
  readRecord,
  type StoredRecord,
} from './record.ts';
import { openingFault } from './record-checks.ts';
import { redactedSlot } from './redaction.ts';
import { decodeStatement, type Statement } from './statement.ts';
import { openingsPath, tileWidth } from './tile-layout.ts';
import type { Findings } from './verdict.ts';
import type { IntentVerifier } from './verify-intents.ts';
import type { ExpectedReceipts } from './verify-receipts.ts';

/** A clock may be set back between a record and its seal. */
const maxAheadMs = 60_000;
/** How long a record may wait for its seal behind a slow disk. */
const maxSealDelayMs = 600_000;

const maxRemembered = 131_072;

/** By the fingerprints' bytes; builds before the first release sorted them as text. */
const headOrders: readonly ((a: IdentityHead, b: IdentityHead) => number)[] = [
  byFingerprint,
  (a, b) => (a.fingerprint < b.fingerprint ? -1 : 1),
];

type Moved = { readonly seq: number; readonly id: string } | undefined;

/** Checks what records say, one after the other in log order: receipts, commitments, and the chains they form. */
export class RecordVerifier {
  readonly #findings: Findings;
  readonly #receipts = new ReceiptChecker();
  readonly #nodeKeys = new Map<Fingerprint, Uint8Array>();
  readonly #heads = new Map<Fingerprint, { readonly seq: number; readonly id: string }>();
  /** How heads have moved lately: a commitment to heads speaks of a moment shortly before its own. */
  readonly #moves: {
    readonly position: number;
    readonly fingerprint: Fingerprint;
    readonly before: Moved;
  }[] = [];
  readonly #slots = new Map<Fingerprint, number>();
  readonly #calls = new Map<string, string>();
  readonly #ids = new IdSet();
  #keys = new PartyKeySnapshot(undefined);
  /** Slots without a key, by the first record that needs it. */
  readonly #withoutKey = new Map<number, number>();
  /** By the new key; taken out when the record of the hand-over is found. */
  readonly #successors = new Map<string, KeySuccession>();
  /** Nodes whose keys were revoked so far. */
  readonly #revokedNodes = new Set<string>();
  /** Slots that a redaction record names. */
  readonly #erased = new Set<number>();
  #redacted = 0;

  readonly #expected: ExpectedReceipts | undefined;

  readonly #intents: IntentVerifier;

  constructor(findings: Findings, intents: IntentVerifier, expected?: ExpectedReceipts) {
    this.#findings = findings;
    this.#intents = intents;
    this.#expected = expected;
  }

  /** The keys that nodes have published. */
  get nodeKeys(): ReadonlyMap<Fingerprint, Uint8Array> {
    return this.#nodeKeys;
  }

  /** Before the first `check`. */
  useKeys(keys: PartyKeySnapshot): void {
    this.#keys = keys;
  }

  /** Records of which something was erased. */
  get redacted(): number {
    return this.#redacted;
  }

  get identities(): number {
    return this.#heads.size;
  }

  get openCalls(): number {
    return this.#calls.size;
  }

  /** Hand-overs of the log's key that were published: each must be in the log as well. */
  expectSuccessions(successions: readonly KeySuccession[]): void {
    for (const succession of successions) this.#successors.set(succession.to, succession);
  }

  /** After the last record: what cannot be opened must have been erased, and what was erased cannot be opened. */
  conclude(): void {
    for (const { to } of this.#successors.values())
      this.#findings.problem('vkey', `no record of the log says that it was handed over to ${to}`, {
        file: successionDirectory,
      });
    for (const [slot, record] of this.#withoutKey)
      if (!this.#erased.has(slot))
        this.#findings.problem('party-key', 'its key is gone, and no redaction record says why', {
          file: partyKeysPath,
          record,
        });
    for (const slot of this.#erased)
      if (this.#keys.stateOf(slot) !== 'erased')
        this.#findings.problem('party-key', `slot ${slot} was erased, says the log, and is not`, {
          file: partyKeysPath,
        });
    for (const slot of this.#keys.inState('erasing'))
      if (!this.#erased.has(slot))
        this.#findings.problem('party-key', `the erasure of slot ${slot} was begun and not recorded`, {
          file: partyKeysPath,
        });
    for (const slot of this.#keys.inState('erased'))
      if (!this.#erased.has(slot))
        this.#findings.problem('party-key', `slot ${slot} is empty, and no redaction record says why`, {
          file: partyKeysPath,
        });
  }

  /** `file` holds the entry. */
  check(raw: RawRecord, file: string): void {
    const record = raw.position;
    try {
      const { statement: bytes, receipt } = decodeEntry(raw.entry);
      const statement = decodeStatement(bytes);
      const id = leafHash(bytes);
      this.#checkReceipt(statement, receipt, id, { file, record });
      this.#ids.add(id);
      this.#expected?.saw(id);
      this.#checkOpening(raw, statement);
    } catch (error) {
      if (!(error instanceof ProvenanceError || error instanceof TokenError)) throw error;
      this.#findings.problem('statement', error.message, { file, record });
    }
  }

  #checkReceipt(
    statement: Statement,
    bytes: Uint8Array,
    id: Uint8Array,
    at: { readonly file: string; readonly record: number },
  ): void {
    const node = fingerprintFromBytes(statement.node);
    if (statement.nodeKey && !this.#nodeKeys.has(node)) this.#nodeKeys.set(node, statement.nodeKey);
    if (this.#revokedNodes.has(node))
      this.#findings.problem('receipt', `the key of node ${node} had been revoked before`, at);
    const receipt = decodeReceipt(bytes);
    const key = this.#nodeKeys.get(node);
    if (!key) this.#findings.problem('receipt', `the key of node ${node} was never published in the log`, at);
    else if (fingerprintFromBytes(receipt.node) !== node || !this.#receipts.holds(receipt, id, key))
      this.#findings.problem('receipt', 'the node did not sign a batch that holds this record', at);
  }

  #checkOpening(sealed: RawRecord, statement: Statement): void {
    const at = { file: openingsPath(Math.floor(sealed.position / tileWidth)), record: sealed.position };
    const raw = this.#unsealed(sealed, statement, at);
    if (!raw) return;
    const record = readRecord(raw);
    this.#checkKeys(raw, at);
    this.#noteKeys(record);
    this.#checkTime(record, at);
    this.#checkHeads(record, at);
    const slot = redactedSlot(record.event, record.erin);
    if (slot !== undefined) this.#erased.add(slot);
    if (record.redacted.length > 0) this.#redacted += 1;
    this.#checkSequences(record, at);
    this.#checkCall(record, at);
    this.#checkParents(record, at);
    this.#intents.check(record, at);
  }

  #unsealed(
    sealed: RawRecord,
    statement: Statement,
    at: { readonly file: string; readonly record: number },
  ): OpenedRecord | undefined {
    try {
      const raw = openRecord(sealed, this.#keys);
      const fault = openingFault(statement, raw.opening);
      if (fault === undefined) return raw;
      this.#findings.problem('opening', fault, at);
    } catch (error) {
      if (!(error instanceof ProvenanceError || error instanceof TokenError)) throw error;
      this.#findings.problem('opening', error.message, at);
    }
    return undefined;
  }

  /** A key belongs to the party that its slot names. */
  #checkKeys({ opening, slots }: OpenedRecord, at: { readonly file: string; readonly record: number }): void {
    const { parties } = decodeOpening(opening);
    for (const [party, slot] of slots.entries()) {
      const item = parties[party];
      if (!item) {
        if (!this.#withoutKey.has(slot)) this.#withoutKey.set(slot, at.record);
        continue;
      }
      const { fingerprint } = readPartyItem(item.encoding);
      this.#slots.set(fingerprint, slot);
      if (fingerprint !== this.#keys.fingerprintIn(slot))
        this.#findings.problem('party-key', `slot ${slot} is not that of party ${party}`, {
          file: partyKeysPath,
          record: at.record,
        });
    }
  }

  /** A node seals what it records at once: the time that a record claims is bounded by its seal, both ways. */
  #checkTime({ timeMs, sealedAt }: StoredRecord, at: { readonly record: number }): void {
    const aheadMs = timeMs - (sealedAt + 1) * 1000;
    if (aheadMs > maxAheadMs || -aheadMs > maxSealDelayMs)
      this.#findings.problem(
        'time',
        `it says ${rfc3339(timeMs)}, and was sealed at ${rfc3339(sealedAt * 1000)}`,
        at,
      );
  }

  /** A commitment to all heads must be the one that follows from the records before it. */
  #checkHeads({ event, erin }: StoredRecord, at: { readonly record: number }): void {
    const { size, root, nonce, identities } = erin;
    if (event !== headsEvent) return;
    if (typeof size !== 'number' || !(root instanceof Uint8Array) || !(nonce instanceof Uint8Array)) return;
    const heads = new Map<Fingerprint, Moved>(this.#heads);
    for (let index = this.#moves.length - 1; index >= 0; index--) {
      const move = this.#moves[index];
      if (!move || move.position < size) break;
      heads.set(move.fingerprint, move.before);
    }
    const known: IdentityHead[] = [];
    for (const [fingerprint, head] of heads) {
      const id = head && decodeBase32(head.id);
      const slot = this.#slots.get(fingerprint);
      const key = slot === undefined ? undefined : this.#keys.keyIn(slot);
      if (head && id && key) known.push({ fingerprint, key, head: { seq: head.seq, id } });
    }
    for (const order of headOrders) {
      const tree = new HeadsTree(nonce);
      for (const one of known.toSorted(order)) tree.add(one);
      if (Buffer.compare(tree.root, root) === 0) return;
    }
    if (known.length !== identities && this.#redacted > 0)
      this.#findings.note(
        `the heads that record ${at.record} commits to include parties that were erased since`,
      );
    else
      this.#findings.problem(
        'heads',
        'the heads that it commits to are not those of the records before it',
        at,
      );
  }

  #noteKeys({ event, erin, position }: StoredRecord): void {
    const { to, node } = erin;
    if (event === nodeRevocationEvent && typeof node === 'string') this.#revokedNodes.add(node);
    if (event !== keySuccessionEvent || typeof to !== 'string') return;
    const succession = this.#successors.get(to);
    // The record is under the last checkpoint of the old key.
    if (succession && succession.size > position) this.#successors.delete(to);
  }

  #checkSequences(record: StoredRecord, at: { readonly record: number }): void {
    for (const { fingerprint, seq, prev } of record.parties) {
      const head = this.#heads.get(fingerprint);
      if (seq !== (head?.seq ?? 0) + 1 || prev !== head?.id)
        this.#findings.problem(
          'sequence',
          `identity ${fingerprint}: record ${seq} follows record ${head?.seq ?? 0}; something before it is missing or moved`,
          at,
        );
    }
    for (const { fingerprint, seq } of record.parties) {
      this.#moves.push({ position: record.position, fingerprint, before: this.#heads.get(fingerprint) });
      this.#heads.set(fingerprint, { seq, id: record.id });
    }
    if (this.#moves.length > 2 * maxRemembered) this.#moves.splice(0, maxRemembered);
  }

  #checkCall({ call, id, eraan }: StoredRecord, at: { readonly record: number }): void {
    if (!call) return;
    const last = this.#calls.get(call.id);
    if (call.phase === 'attempt' ? last !== undefined : last === undefined)
      this.#findings.problem(
        'call',
        `the call ${call.id} is ${last === undefined ? 'not open' : 'open already'}`,
        at,
      );
    else if (eraan['previous'] !== last)
      this.#findings.problem('call', `the call ${call.id} does not go on from its last record`, at);
    if (call.phase === 'close') this.#calls.delete(call.id);
    else this.#calls.set(call.id, id);
  }

  #checkParents({ eraan, id }: StoredRecord, at: { readonly record: number }): void {
    const parents: unknown = eraan['parents'];
    for (const parent of Array.isArray(parents) ? parents : []) {
      const bytes = typeof parent === 'string' ? decodeBase32(parent) : undefined;
      if (bytes?.length !== 32 || parent === id || !this.#ids.has(bytes))
        this.#findings.problem(
          'parent',
          `it rests on ${String(parent)}, which is not in the log before it`,
          at,
        );
    }
  }
}

/** The id of an entry, as far as it can be read at all. */
export function idOfEntry(entry: Uint8Array): string | undefined {
  try {
    return encodeBase32(leafHash(decodeEntry(entry).statement));
  } catch {
    return undefined;
  }
}

/** What a node has signed may be any number. */
function rfc3339(timeMs: number): string {
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) ? 'an impossible time' : date.toISOString();
}

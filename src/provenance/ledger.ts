import { encodeBase32, TransientMap } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import { ProvenanceError } from './error.ts';
import { type KnownParty, NewestHeads, type Seat } from './newest-heads.ts';
import type { CallPhase, OpenCall, Party } from './record.ts';

/** The newest record of an identity. */
export interface Head {
  readonly seq: number;
  readonly id: Uint8Array;
  readonly position: number;
}

/** A party, with its number in the sequence of its identity and the slot of its key. */
export interface PlacedParty extends Party {
  readonly seq: number;
  readonly slot: number;
  /** The fingerprint's, where they are at hand. */
  readonly bytes?: Uint8Array;
  /** What is remembered of its identity, as far as its record knows. */
  seat?: Seat | undefined;
}

/** A party of a record under way; also its identity's head from now on. */
export interface PendingParty extends PlacedParty, Head {
  readonly bytes: Uint8Array;
  /** As it is now: an erasure may come before the record is sealed. */
  readonly key: Uint8Array;
  /** The id of the record before it in the party's sequence: blank until that one has its own. */
  readonly prev: Uint8Array | undefined;
}

/** What the books need to know of one record. */
export interface RecordFacts {
  readonly idBytes: Uint8Array;
  readonly timeMs: number;
  readonly event: string;
  readonly call: { readonly id: string; readonly phase: CallPhase } | undefined;
  readonly parties: readonly PlacedParty[];
  /** Set in the record that opens a node's run. */
  readonly opensNode: Fingerprint | undefined;
  /** How the call ended: in its closing record. */
  readonly outcome: string | undefined;
  /** What the caller declared: in a call's attempt, since the records that follow say it again. */
  readonly intent: string | undefined;
}

export interface PendingFacts extends RecordFacts {
  /** Blank until the record has its id. */
  readonly idBytes: Buffer;
  readonly parties: readonly PendingParty[];
}

/** A call that is open. */
export interface CallState {
  readonly id: string;
  /** Ids of its first and of its newest record. */
  readonly attempt: Uint8Array;
  readonly last: Uint8Array;
  readonly parties: readonly Party[];
  readonly sinceMs: number;
}

/** A call in the books; undefined: it is closed, or never began. */
export interface CallEntry {
  readonly id: string;
  /** As it will be once the records under way are durable. */
  pending: CallState | undefined;
  durable: CallState | undefined;
  /** How many there are. */
  underWay: number;
}

/** Heads as of the newest durable record. */
export interface HeadSource {
  /** `bytes`: the fingerprint's, where they are at hand. */
  head(fingerprint: Fingerprint, bytes?: Uint8Array): Head | undefined;
}

/** Which key an identity's records are under now: after an erasure its sequence begins anew under another. */
export interface CurrentSlots {
  isCurrent(fingerprint: Fingerprint, slot: number): boolean;
}

/**
 * The books of the log: each identity's newest record, and the calls that are open. Kept twice: as durable, and
 * as it will be once the records under way are durable too. When those fail, the second set is thrown away.
 */
export class Ledger {
  readonly #source: HeadSource;
  readonly #slots: CurrentSlots;
  /** Erased identities whose former head the source still has, and what is their newest record instead. */
  readonly #forgotten = new Map<Fingerprint, Head | undefined>();
  readonly #newest = new NewestHeads();
  readonly #calls = new TransientMap<CallEntry>();

  constructor(source: HeadSource, slots: CurrentSlots, openCalls: readonly CallState[]) {
    this.#source = source;
    this.#slots = slots;
    for (const call of openCalls)
      this.#calls.set(call.id, { id: call.id, pending: call, durable: call, underWay: 0 });
  }

  head(fingerprint: Fingerprint, bytes?: Uint8Array): Head | undefined {
    return (
      this.#newest.get(fingerprint) ??
      (this.#forgotten.size > 0 && this.#forgotten.has(fingerprint)
        ? this.#forgotten.get(fingerprint)
        : this.#source.head(fingerprint, bytes))
    );
  }

  /** The party in its newest record, while it is remembered. */
  newest(fingerprint: Fingerprint): KnownParty | undefined {
    return this.#newest.get(fingerprint);
  }

  /** The identity was erased: its next record is its first. */
  forget(fingerprint: Fingerprint): void {
    this.#forgotten.set(fingerprint, undefined);
    this.#newest.forget(fingerprint);
    for (const entry of this.#calls.values()) {
      entry.pending = entry.pending && withoutPartyOf(entry.pending, fingerprint);
      entry.durable = entry.durable && withoutPartyOf(entry.durable, fingerprint);
    }
  }

  /** The source has forgotten it too. */
  forgotten(fingerprint: Fingerprint): void {
    this.#forgotten.delete(fingerprint);
  }

  /**
   * What the books say of a call before its next record. Throws `call-open` or `call-closed`: a call has one attempt, then
   * others, and one closing record.
   */
  entryFor({ id, phase }: { readonly id: string; readonly phase: CallPhase }): CallEntry {
    const entry = this.#calls.get(id) ?? newEntry(id);
    const open = entry.pending !== undefined;
    if (phase === 'attempt' && open)
      throw new ProvenanceError('call-open', `the call ${id} has an attempt already`);
    if (phase !== 'attempt' && !open)
      throw new ProvenanceError('call-closed', `the call ${id} is closed, or never began`);
    return entry;
  }

  /** A record is under way; `entry` is what the books have said of its call. */
  expect(facts: PendingFacts, entry: CallEntry | undefined): void {
    for (const party of facts.parties) this.#newest.expect(party);
    if (!entry) return;
    if (entry.pending === undefined && entry.durable === undefined) this.#calls.set(entry.id, entry);
    entry.pending = nextState(facts, entry.pending);
    entry.underWay++;
  }

  /** Called in log order, also for what recovery finds in the journal; the source knows the record, too. */
  settle(facts: RecordFacts, position: number): void {
    for (const party of facts.parties) this.#newest.settle(party);
    if (this.#forgotten.size > 0)
      for (const { fingerprint, seq, slot } of facts.parties)
        if (this.#forgotten.has(fingerprint) && this.#slots.isCurrent(fingerprint, slot))
          this.#forgotten.set(fingerprint, { seq, id: facts.idBytes, position });
    const { call } = facts;
    if (!call) return;
    const entry = this.#calls.get(call.id) ?? newEntry(call.id);
    const { pending } = entry;
    // An erasure may have taken a party out of what was expected.
    entry.durable = pending?.last === facts.idBytes ? pending : nextState(facts, entry.durable);
    if (entry.underWay > 0) entry.underWay--;
    else {
      // Recovery: nothing was expected.
      entry.pending = entry.durable;
      this.#calls.set(call.id, entry);
    }
    if (!entry.pending && !entry.durable) this.#calls.delete(call.id);
  }

  /** The records under way never came to be. */
  forgetPending(): void {
    this.#newest.clear();
    for (const entry of this.#calls.values()) {
      entry.pending = entry.durable;
      entry.underWay = 0;
      if (!entry.pending) this.#calls.delete(entry.id);
    }
  }

  openCalls(): readonly OpenCall[] {
    const calls: OpenCall[] = [];
    for (const { pending } of this.#calls.values()) if (pending) calls.push(openCallOf(pending));
    return calls;
  }
}

export function withoutParty(parties: readonly Party[], fingerprint: Fingerprint): readonly Party[] {
  return parties.filter((party) => party.fingerprint !== fingerprint);
}

export function withoutPartyOf(call: CallState, fingerprint: Fingerprint): CallState {
  return { ...call, parties: withoutParty(call.parties, fingerprint) };
}

/** The call after this record; undefined once it is closed. */
export function nextState(facts: RecordFacts, before: CallState | undefined): CallState | undefined {
  const { call, idBytes, parties, timeMs } = facts;
  if (!call || call.phase === 'close') return undefined;
  if (before && call.phase !== 'attempt') return { ...before, last: idBytes };
  return { id: call.id, attempt: idBytes, last: idBytes, parties, sinceMs: timeMs };
}

function openCallOf({ id, attempt, last, parties, sinceMs }: CallState): OpenCall {
  return {
    id,
    attempt: encodeBase32(attempt),
    lastRecord: encodeBase32(last),
    parties: parties.map(plainParty),
    sinceMs,
  };
}

function newEntry(id: string): CallEntry {
  return { id, pending: undefined, durable: undefined, underWay: 0 };
}

/** What is said of a party wherever it comes from. */
export function plainParty({ fingerprint, role, details }: Party): Party {
  return details ? { fingerprint, role, details } : { fingerprint, role };
}

import { TransientMap } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import { ProvenanceError } from './error.ts';
import type { CallPhase, OpenCall, Party, RecordId } from './record.ts';

/** The newest record of an identity. */
export interface Head {
  readonly seq: number;
  readonly id: Uint8Array;
  readonly position: number;
}

/** A party, with its number in the sequence of its identity and the slot of its key. */
export type PlacedParty = Party & { readonly seq: number; readonly slot: number };

/** What the books need to know of one record. */
export interface RecordFacts {
  readonly id: RecordId;
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

/** Heads as of the newest durable record. */
export interface HeadSource {
  head(fingerprint: Fingerprint): Head | undefined;
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
  readonly #pendingHeads = new TransientMap<Head>();
  readonly #durableCalls = new TransientMap<OpenCall>();
  /** undefined as a value: closed by a record that is under way. */
  readonly #pendingCalls = new TransientMap<OpenCall | undefined>();

  constructor(source: HeadSource, slots: CurrentSlots, openCalls: readonly OpenCall[]) {
    this.#source = source;
    this.#slots = slots;
    for (const call of openCalls) this.#durableCalls.set(call.id, call);
  }

  head(fingerprint: Fingerprint): Head | undefined {
    return (
      this.#pendingHeads.get(fingerprint) ??
      (this.#forgotten.size > 0 && this.#forgotten.has(fingerprint)
        ? this.#forgotten.get(fingerprint)
        : this.#source.head(fingerprint))
    );
  }

  /** The identity was erased: its next record is its first. */
  forget(fingerprint: Fingerprint): void {
    this.#forgotten.set(fingerprint, undefined);
    this.#pendingHeads.delete(fingerprint);
    for (const calls of [this.#durableCalls, this.#pendingCalls])
      for (const [id, call] of calls)
        if (call) calls.set(id, { ...call, parties: withoutParty(call.parties, fingerprint) });
  }

  /** The source has forgotten it too. */
  forgotten(fingerprint: Fingerprint): void {
    this.#forgotten.delete(fingerprint);
  }

  call(id: string): OpenCall | undefined {
    return this.#pendingCalls.has(id) ? this.#pendingCalls.get(id) : this.#durableCalls.get(id);
  }

  /** Throws `call-open` or `call-closed`: a call has one attempt, then others, and one closing record. */
  checkPhase(call: { readonly id: string; readonly phase: CallPhase }): void {
    const open = this.call(call.id) !== undefined;
    if (call.phase === 'attempt' && open)
      throw new ProvenanceError('call-open', `the call ${call.id} has an attempt already`);
    if (call.phase !== 'attempt' && !open)
      throw new ProvenanceError('call-closed', `the call ${call.id} is closed, or never began`);
  }

  expect(facts: RecordFacts, position: number): void {
    for (const { fingerprint, seq, slot } of facts.parties)
      if (this.#slots.isCurrent(fingerprint, slot))
        this.#pendingHeads.set(fingerprint, { seq, id: facts.idBytes, position });
    const { call } = facts;
    if (call)
      this.#pendingCalls.set(
        call.id,
        nextState(facts, () => this.call(call.id)),
      );
  }

  /** Called in log order, also for what recovery finds in the journal; the source knows the record, too. */
  settle(facts: RecordFacts, position: number): void {
    for (const { fingerprint, seq, slot } of facts.parties) {
      if (
        this.#forgotten.size > 0 &&
        this.#forgotten.has(fingerprint) &&
        this.#slots.isCurrent(fingerprint, slot)
      )
        this.#forgotten.set(fingerprint, { seq, id: facts.idBytes, position });
      if (this.#pendingHeads.get(fingerprint)?.position === position) this.#pendingHeads.delete(fingerprint);
    }
    const { call } = facts;
    if (!call) return;
    const state = nextState(facts, () => this.#durableCalls.get(call.id));
    if (state) this.#durableCalls.set(call.id, state);
    else this.#durableCalls.delete(call.id);
    const pending = this.#pendingCalls.get(call.id);
    if (!this.#pendingCalls.has(call.id)) return;
    if (pending === undefined ? state === undefined : pending.lastRecord === state?.lastRecord)
      this.#pendingCalls.delete(call.id);
  }

  /** The records under way never came to be. */
  forgetPending(): void {
    this.#pendingHeads.clear();
    this.#pendingCalls.clear();
  }

  openCalls(): readonly OpenCall[] {
    const calls: OpenCall[] = [];
    for (const [id, call] of this.#durableCalls) if (!this.#pendingCalls.has(id)) calls.push(call);
    for (const call of this.#pendingCalls.values()) if (call) calls.push(call);
    return calls;
  }
}

export function withoutParty(parties: readonly Party[], fingerprint: Fingerprint): readonly Party[] {
  return parties.filter((party) => party.fingerprint !== fingerprint);
}

/** The call after this record; undefined once it is closed. Its first and last record do not ask what was before. */
export function nextState(facts: RecordFacts, callBefore: () => OpenCall | undefined): OpenCall | undefined {
  const { call } = facts;
  if (!call || call.phase === 'close') return undefined;
  const before = call.phase === 'attempt' ? undefined : callBefore();
  if (!before) {
    const parties = facts.parties.map(({ fingerprint, role, details }) => ({
      fingerprint,
      role,
      ...(details ? { details } : {}),
    }));
    return { id: call.id, attempt: facts.id, lastRecord: facts.id, parties, sinceMs: facts.timeMs };
  }
  return { ...before, lastRecord: facts.id };
}

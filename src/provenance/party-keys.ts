import { asBuffer, encodeBase32, type Random } from '../base/index.ts';
import { type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import { sha256 } from './digest.ts';
import { ProvenanceError } from './error.ts';
import type { PartyKey, PartyKeySource } from './opening-seal.ts';
import type { Storage } from './storage.ts';

/** Private, beside the openings that its keys open: whoever copies both copies what erasure is about. */
export const partyKeysPath = 'party-keys';

const magic: Buffer = Buffer.from('tibet-sip/keys/1');
/** State, checksum of what follows, fingerprint, key. */
const slotBytes = 72;
const checksumBytes = 7;
const fingerprintAt = 1 + checksumBytes;
const keyAt = 40;

/** `erasing` is set before anything of an erasure is done, so that a crash cannot leave it half-done for ever. */
const state = { live: 1, erasing: 2, erased: 3 } as const;
export type SlotState = keyof typeof state;

interface Slot {
  state: SlotState;
  readonly fingerprint: Fingerprint;
  readonly key: Uint8Array;
}

export interface PartyKeysOptions {
  readonly storage: Storage;
  readonly random: Random;
}

/**
 * One key per party of the log's records. To erase somebody is to overwrite 64 bytes here: every opening in the log,
 * the journal and any copy of them then stays shut. A party that comes back gets a new slot.
 */
export class PartyKeys implements PartyKeySource {
  readonly #options: PartyKeysOptions;
  readonly #slots: (Slot | undefined)[];
  readonly #current = new Map<Fingerprint, PartyKey>();
  /** Slots that are on stable storage. */
  #synced: number;
  #existed: boolean;
  #last: Promise<void> = Promise.resolve();

  private constructor(options: PartyKeysOptions, slots: (Slot | undefined)[], existed: boolean) {
    this.#options = options;
    this.#slots = slots;
    this.#synced = slots.length;
    this.#existed = existed;
    for (const [at, slot] of slots.entries())
      if (slot?.state === 'live') this.#current.set(slot.fingerprint, { slot: at, key: slot.key });
  }

  /** Cuts off a slot that a crash tore: no durable record was sealed with it. */
  static async open(options: PartyKeysOptions): Promise<PartyKeys> {
    const { storage } = options;
    const file = await storage.read(partyKeysPath);
    const { slots } = parsePartyKeys(file);
    while (slots.length > 0 && slots.at(-1) === undefined) slots.pop();
    const length = file?.length ?? 0;
    const existed = length >= magic.length;
    const good = existed ? magic.length + slots.length * slotBytes : 0;
    if (length !== good) await cutTo(storage, good);
    return new PartyKeys(options, slots, existed);
  }

  /** The party's key, made now if there is none; to be used for a record only after `flush`. */
  keyFor(fingerprint: Fingerprint): PartyKey {
    const known = this.#current.get(fingerprint);
    if (known) return known;
    const key = this.#options.random.bytes(32);
    const made = { slot: this.#slots.length, key };
    this.#current.set(fingerprint, made);
    this.#slots.push({ state: 'live', fingerprint, key });
    return made;
  }

  keyIn(slot: number): Uint8Array | undefined {
    const found = this.#slots[slot];
    return found?.state === 'live' ? found.key : undefined;
  }

  /** Also opens what is about to be erased: only to find out what else has to go with it. */
  beforeErasure(): PartyKeySource {
    return {
      keyIn: (slot) => {
        const found = this.#slots[slot];
        return found?.state === 'erased' ? undefined : found?.key;
      },
    };
  }

  isCurrent(fingerprint: Fingerprint, slot: number): boolean {
    return this.#current.get(fingerprint)?.slot === slot;
  }

  currentSlot(fingerprint: Fingerprint): number | undefined {
    return this.#current.get(fingerprint)?.slot;
  }

  /** Slots whose erasure has begun: at a start, what a crash interrupted. */
  erasing(): readonly { readonly slot: number; readonly fingerprint: Fingerprint }[] {
    return this.#slots.flatMap((slot, at) =>
      slot?.state === 'erasing' ? [{ slot: at, fingerprint: slot.fingerprint }] : [],
    );
  }

  /** When it returns, every key that was handed out is on stable storage. */
  async flush(): Promise<void> {
    if (this.#synced === this.#slots.length) return;
    await this.#inTurn(() => this.#append());
  }

  /** From now on the key opens nothing and is given to nobody; durable when `onRetired` is called. */
  async retire(slot: number, onRetired: () => void): Promise<void> {
    const found = this.#slots[slot];
    if (found?.state !== 'live') return;
    await this.flush();
    await this.#inTurn(() => this.#overwrite(slot, Uint8Array.of(state.erasing)));
    found.state = 'erasing';
    if (this.isCurrent(found.fingerprint, slot)) this.#current.delete(found.fingerprint);
    onRetired();
  }

  /** Overwrites key and fingerprint in place: a new file would leave the old one's blocks on the disk. */
  async destroy(slot: number): Promise<void> {
    const found = this.#slots[slot];
    if (found?.state !== 'erasing') return;
    const blank = new Uint8Array(slotBytes);
    blank[0] = state.erasing;
    await this.#inTurn(() => this.#overwrite(slot, blank));
    blank[0] = state.erased;
    await this.#inTurn(() => this.#overwrite(slot, blank.subarray(0, 1)));
    found.key.fill(0);
    this.#slots[slot] = { state: 'erased', fingerprint: '', key: new Uint8Array(0) };
  }

  async #append(): Promise<void> {
    const { storage } = this.#options;
    const end = this.#slots.length;
    const file = await storage.openAppend(partyKeysPath);
    try {
      const good = this.#existed ? magic.length + this.#synced * slotBytes : 0;
      if (file.size !== good) await file.truncate(good);
      const fresh = this.#slots.slice(this.#synced, end).map((slot) => encodeSlot(slot));
      await file.append(Buffer.concat([...(this.#existed ? [] : [magic]), ...fresh]));
      await file.sync();
    } finally {
      await file.close();
    }
    if (!this.#existed) await storage.syncDirectory('.');
    this.#existed = true;
    this.#synced = end;
  }

  async #overwrite(slot: number, bytes: Uint8Array): Promise<void> {
    const file = await this.#options.storage.openAppend(partyKeysPath);
    try {
      await file.overwrite(magic.length + slot * slotBytes, bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #inTurn(task: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(task, task);
    this.#last = turn.catch(() => undefined);
    await turn;
  }
}

/** What a reader of the log knows of the keys, at the moment when the file was read. */
export class PartyKeySnapshot implements PartyKeySource {
  readonly #slots: readonly (Slot | undefined)[];
  /** Made when it is asked for. */
  #current: ReadonlyMap<Fingerprint, number> | undefined;
  readonly faults: readonly string[];

  constructor(file: Uint8Array | undefined) {
    const { slots, faults } = parsePartyKeys(file);
    this.#slots = slots;
    this.faults = faults;
  }

  static async read(storage: Storage): Promise<PartyKeySnapshot> {
    return new PartyKeySnapshot(await storage.read(partyKeysPath));
  }

  keyIn(slot: number): Uint8Array | undefined {
    const found = this.#slots[slot];
    return found?.state === 'live' ? found.key : undefined;
  }

  stateOf(slot: number): SlotState | undefined {
    return this.#slots[slot]?.state;
  }

  fingerprintIn(slot: number): Fingerprint | undefined {
    const found = this.#slots[slot];
    return found?.state === 'live' ? found.fingerprint : undefined;
  }

  /** Slots in a state. */
  inState(wanted: SlotState): readonly number[] {
    return this.#slots.flatMap((slot, at) => (slot?.state === wanted ? [at] : []));
  }

  currentSlot(fingerprint: Fingerprint): number | undefined {
    this.#current ??= new Map(
      this.#slots.flatMap((slot, at) => (slot?.state === 'live' ? [[slot.fingerprint, at] as const] : [])),
    );
    return this.#current.get(fingerprint);
  }
}

async function cutTo(storage: Storage, size: number): Promise<void> {
  const file = await storage.openAppend(partyKeysPath);
  try {
    await file.truncate(size);
    await file.sync();
  } finally {
    await file.close();
  }
}

function encodeSlot(slot: Slot | undefined): Buffer {
  const bytes = Buffer.alloc(slotBytes);
  if (!slot) return bytes;
  bytes.set(fingerprintBytes(slot.fingerprint), fingerprintAt);
  bytes.set(slot.key, keyAt);
  bytes.set(sha256(bytes.subarray(fingerprintAt)).subarray(0, checksumBytes), 1);
  bytes[0] = state[slot.state];
  return bytes;
}

function parsePartyKeys(file: Uint8Array | undefined): {
  readonly slots: (Slot | undefined)[];
  readonly faults: readonly string[];
} {
  const bytes = asBuffer(file ?? new Uint8Array(0));
  const slots: (Slot | undefined)[] = [];
  const faults: string[] = [];
  if (bytes.length < magic.length) {
    if (bytes.length > 0) faults.push('it ends within its first bytes');
    return { slots, faults };
  }
  if (!bytes.subarray(0, magic.length).equals(magic))
    throw new ProvenanceError('party-keys-damaged', 'the file of party keys does not begin as it should');
  for (let at = magic.length; at < bytes.length; at += slotBytes) {
    const slot = parseSlot(bytes.subarray(at, at + slotBytes));
    if (!slot) faults.push(`slot ${slots.length} is torn or changed`);
    slots.push(slot);
  }
  return { slots, faults };
}

function parseSlot(bytes: Buffer): Slot | undefined {
  if (bytes.length < slotBytes) return undefined;
  const rest = bytes.subarray(1);
  if (bytes[0] === state.erased)
    return rest.every((byte) => byte === 0)
      ? { state: 'erased', fingerprint: '', key: new Uint8Array(0) }
      : undefined;
  if (bytes[0] !== state.live && bytes[0] !== state.erasing) return undefined;
  const intact = sha256(bytes.subarray(fingerprintAt))
    .subarray(0, checksumBytes)
    .equals(bytes.subarray(1, fingerprintAt));
  // A crash may have come while the key was being overwritten.
  if (!intact && bytes[0] === state.live) return undefined;
  return {
    state: bytes[0] === state.live ? 'live' : 'erasing',
    fingerprint: encodeBase32(bytes.subarray(fingerprintAt, keyAt)),
    key: Uint8Array.from(bytes.subarray(keyAt)),
  };
}

import { type Random, TransientMap } from '../base/index.ts';
import type { Fingerprint } from '../tokens/index.ts';
import type { PartyKey, PartyKeySource } from './opening-seal.ts';
import { PartySlots, partyKeysMagic, type SlotState, slotBytes, slotStates } from './party-slots.ts';
import type { AppendFile, Storage } from './storage.ts';

/** Private, beside the openings that its keys open: whoever copies both copies what erasure is about. */
export const partyKeysPath = 'party-keys';

/** Parties whose keys are at hand: those of the calls that are up, and no more, so that nothing grows old here. */
const maxAtHand = 256;

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
  readonly #slots: PartySlots;
  readonly #atHand = new TransientMap<PartyKey>();
  /** Stays open: opening it for each batch that brings somebody new costs more than writing does. */
  #file: AppendFile | undefined;
  /** Slots that are on stable storage. */
  #synced: number;
  #existed: boolean;
  #last: Promise<void> = Promise.resolve();

  private constructor(options: PartyKeysOptions, slots: PartySlots, existed: boolean) {
    this.#options = options;
    this.#slots = slots;
    this.#synced = slots.length;
    this.#existed = existed;
  }

  /** Cuts off a slot that a crash tore: no durable record was sealed with it. */
  static async open(options: PartyKeysOptions): Promise<PartyKeys> {
    const { storage } = options;
    const file = await storage.read(partyKeysPath);
    const slots = new PartySlots(file);
    while (slots.length > 0 && slots.stateOf(slots.length - 1) === undefined) slots.dropLast();
    slots.prepare();
    const length = file?.length ?? 0;
    const existed = !slots.isNew;
    const good = existed ? endOf(slots.length) : 0;
    if (length !== good) await cutTo(storage, good);
    return new PartyKeys(options, slots, existed);
  }

  /** The party's key, made now if there is none; to be used for a record only after `flush`. */
  keyFor(fingerprint: Fingerprint, bytes?: Uint8Array): PartyKey {
    const known = this.#find(fingerprint, bytes);
    if (known) return known;
    const key = this.#options.random.bytes(32);
    return this.#keepAtHand(fingerprint, { slot: this.#slots.add(fingerprint, key), key });
  }

  keyIn(slot: number): Uint8Array | undefined {
    return this.#slots.stateOf(slot) === 'live' ? this.#slots.keyIn(slot) : undefined;
  }

  /** Also opens what is about to be erased: only to find out what else has to go with it. */
  beforeErasure(): PartyKeySource {
    return {
      keyIn: (slot) => {
        const state = this.#slots.stateOf(slot);
        return state === 'live' || state === 'erasing' ? this.#slots.keyIn(slot) : undefined;
      },
    };
  }

  isCurrent(fingerprint: Fingerprint, slot: number): boolean {
    return this.currentSlot(fingerprint) === slot;
  }

  currentSlot(fingerprint: Fingerprint): number | undefined {
    return this.#find(fingerprint)?.slot;
  }

  /** Slots whose erasure has begun: at a start, what a crash interrupted. */
  erasing(): readonly { readonly slot: number; readonly fingerprint: Fingerprint }[] {
    return this.#slots
      .inState('erasing')
      .map((slot) => ({ slot, fingerprint: this.#slots.fingerprintIn(slot) }));
  }

  /** When it returns, every key that was handed out is on stable storage. */
  async flush(): Promise<void> {
    if (this.#synced === this.#slots.length) return;
    await this.#inTurn(() => this.#append());
  }

  /** From now on the key opens nothing and is given to nobody; durable when `onRetired` is called. */
  async retire(slot: number, onRetired: () => void): Promise<void> {
    if (this.#slots.stateOf(slot) !== 'live') return;
    await this.flush();
    await this.#inTurn(() => this.#overwrite(slot, Uint8Array.of(slotStates.erasing)));
    this.#slots.markErasing(slot);
    this.#atHand.delete(this.#slots.fingerprintIn(slot));
    onRetired();
  }

  /** Overwrites key and fingerprint in place: a new file would leave the old one's blocks on the disk. */
  async destroy(slot: number): Promise<void> {
    if (this.#slots.stateOf(slot) !== 'erasing') return;
    const blank = new Uint8Array(slotBytes);
    blank[0] = slotStates.erasing;
    await this.#inTurn(() => this.#overwrite(slot, blank));
    blank[0] = slotStates.erased;
    await this.#inTurn(() => this.#overwrite(slot, blank.subarray(0, 1)));
    this.#slots.erase(slot);
  }

  async close(): Promise<void> {
    await this.#inTurn(() => this.#closeFile());
  }

  #find(fingerprint: Fingerprint, bytes?: Uint8Array): PartyKey | undefined {
    const atHand = this.#atHand.get(fingerprint);
    if (atHand) return atHand;
    const slot = this.#slots.find(fingerprint, bytes);
    return slot === undefined
      ? undefined
      : this.#keepAtHand(fingerprint, { slot, key: this.#slots.keyIn(slot) });
  }

  #keepAtHand(fingerprint: Fingerprint, key: PartyKey): PartyKey {
    if (this.#atHand.size >= maxAtHand) this.#atHand.clear();
    this.#atHand.set(fingerprint, key);
    return key;
  }

  async #append(): Promise<void> {
    const { storage } = this.#options;
    const end = this.#slots.length;
    try {
      this.#file ??= await storage.openAppend(partyKeysPath, true);
      const good = this.#existed ? endOf(this.#synced) : 0;
      if (this.#file.size !== good) await this.#file.truncate(good);
      const fresh = this.#slots.encoded(this.#synced, end);
      await this.#file.append(this.#existed ? fresh : Buffer.concat([partyKeysMagic, fresh]));
    } catch (error) {
      await this.#closeFile().catch(() => undefined);
      throw error;
    }
    if (!this.#existed) await storage.syncDirectory('.');
    this.#existed = true;
    this.#synced = end;
  }

  async #overwrite(slot: number, bytes: Uint8Array): Promise<void> {
    const file = await this.#options.storage.openAppend(partyKeysPath);
    try {
      await file.write(endOf(slot), bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #inTurn(task: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(task, task);
    this.#last = turn.catch(() => undefined);
    await turn;
  }
}

/** What a reader of the log knows of the keys, at the moment when the file was read. */
export class PartyKeySnapshot implements PartyKeySource {
  readonly #slots: PartySlots;
  readonly #size: number;

  constructor(file: Uint8Array | undefined) {
    this.#slots = new PartySlots(file);
    this.#size = file?.length ?? 0;
  }

  static async read(storage: Storage): Promise<PartyKeySnapshot> {
    return new PartyKeySnapshot(await storage.read(partyKeysPath));
  }

  get faults(): readonly string[] {
    if (this.#slots.isNew) return this.#size > 0 ? ['it ends within its first bytes'] : [];
    const faults: string[] = [];
    for (let slot = 0; endOf(slot) < this.#size; slot++)
      if (this.#slots.stateOf(slot) === undefined) faults.push(`slot ${slot} is torn or changed`);
    return faults;
  }

  keyIn(slot: number): Uint8Array | undefined {
    return this.#slots.stateOf(slot) === 'live' ? this.#slots.keyIn(slot) : undefined;
  }

  stateOf(slot: number): SlotState | undefined {
    return this.#slots.stateOf(slot);
  }

  fingerprintIn(slot: number): Fingerprint | undefined {
    return this.#slots.stateOf(slot) === 'live' ? this.#slots.fingerprintIn(slot) : undefined;
  }

  /** Slots in a state. */
  inState(wanted: SlotState): readonly number[] {
    return this.#slots.inState(wanted);
  }

  currentSlot(fingerprint: Fingerprint): number | undefined {
    return this.#slots.find(fingerprint);
  }
}

/** Where slots of this count end, and the next one begins. */
function endOf(slots: number): number {
  return partyKeysMagic.length + slots * slotBytes;
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

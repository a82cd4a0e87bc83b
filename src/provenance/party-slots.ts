import { asBuffer, encodeBase32, moveToTwice, type Random, shortCopy, systemRandom } from '../base/index.ts';
import { type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import { sha256 } from './digest.ts';
import { ProvenanceError } from './error.ts';
import { FingerprintTable } from './fingerprint-table.ts';

export const partyKeysMagic: Buffer = Buffer.from('tibet-sip/keys/1');
/** State, checksum of what follows, fingerprint, key. */
export const slotBytes = 72;
const checksumBytes = 7;
const fingerprintAt = 1 + checksumBytes;
const keyAt = 40;

/** `erasing` is set before anything of an erasure is done, so that a crash cannot leave it half-done for ever. */
export const slotStates = { live: 1, erasing: 2, erased: 3 } as const;
export type SlotState = keyof typeof slotStates;

const initialSlots = 64;

/**
 * The slots of the file of party keys, in memory byte for byte as they lie there: as objects, those of a million parties
 * would be half a gigabyte, all of which the collector would go through again and again. A slot's checksum is looked at
 * when the slot is first used.
 */
export class PartySlots {
  #bytes: Buffer;
  #length: number;
  /** 1: its checksum was right. */
  #intact: Uint8Array;
  /** There was no file, or none of it has reached the disk. */
  readonly isNew: boolean;
  /** Of live slots. Made when it is asked for: not every reader asks. */
  #table: FingerprintTable | undefined;
  readonly #random: Random;

  /** Copies the slots that `file` has whole. Throws `party-keys-damaged` when it is another file. */
  constructor(file: Uint8Array | undefined, random: Random = systemRandom) {
    const bytes = asBuffer(file ?? new Uint8Array(0));
    this.isNew = bytes.length < partyKeysMagic.length || isTorn(bytes);
    if (!this.isNew && !bytes.subarray(0, partyKeysMagic.length).equals(partyKeysMagic))
      throw new ProvenanceError('party-keys-damaged', 'the file of party keys does not begin as it should');
    this.#length = this.isNew ? 0 : Math.floor((bytes.length - partyKeysMagic.length) / slotBytes);
    this.#bytes = Buffer.alloc(Math.max(initialSlots, this.#length) * slotBytes);
    this.#bytes.set(bytes.subarray(partyKeysMagic.length, partyKeysMagic.length + this.#length * slotBytes));
    this.#intact = new Uint8Array(this.#bytes.length / slotBytes);
    this.#random = random;
  }

  get length(): number {
    return this.#length;
  }

  /** Undefined for a slot that is damaged, or not there. */
  stateOf(slot: number): SlotState | undefined {
    if (!(slot >= 0 && slot < this.#length)) return undefined;
    const at = slot * slotBytes;
    switch (this.#bytes[at]) {
      case slotStates.live:
        return this.#isIntact(slot) ? 'live' : undefined;
      case slotStates.erasing:
        // A crash may have come while the key was being overwritten.
        return 'erasing';
      case slotStates.erased:
        return this.#bytes.subarray(at + 1, at + slotBytes).every((byte) => byte === 0)
          ? 'erased'
          : undefined;
      default:
        return undefined;
    }
  }

  fingerprintIn(slot: number): Fingerprint {
    const at = slot * slotBytes;
    return encodeBase32(this.#bytes.subarray(at + fingerprintAt, at + keyAt));
  }

  /** A copy. */
  keyIn(slot: number): Uint8Array {
    const at = slot * slotBytes;
    return shortCopy(this.#bytes, at + keyAt, at + slotBytes);
  }

  /** Slots in a state. */
  inState(wanted: SlotState): readonly number[] {
    const found: number[] = [];
    for (let slot = 0; slot < this.#length; slot++)
      if (this.#bytes[slot * slotBytes] === slotStates[wanted] && this.stateOf(slot) === wanted)
        found.push(slot);
    return found;
  }

  /** Makes `find` quick now: among a million parties that takes 0.2 s, which no call is to wait for. */
  prepare(): void {
    this.#tableNow();
  }

  /** The live slot of a party. */
  find(fingerprint: Fingerprint, wanted: Uint8Array = fingerprintBytes(fingerprint)): number | undefined {
    const slot = this.#tableNow().find(this.#bytes, wanted, (found) => this.stateOf(found) === 'live');
    return slot < 0 ? undefined : slot;
  }

  add(fingerprint: Fingerprint, key: Uint8Array): number {
    if ((this.#length + 1) * slotBytes > this.#bytes.length) this.#grow();
    const slot = this.#length++;
    const bytes = this.#bytes.subarray(slot * slotBytes, (slot + 1) * slotBytes);
    bytes.set(fingerprintBytes(fingerprint), fingerprintAt);
    bytes.set(key, keyAt);
    bytes.set(sha256(bytes.subarray(fingerprintAt)).subarray(0, checksumBytes), 1);
    bytes[0] = slotStates.live;
    this.#table?.enter(this.#bytes, slot);
    return slot;
  }

  markErasing(slot: number): void {
    this.#bytes[slot * slotBytes] = slotStates.erasing;
  }

  erase(slot: number): void {
    this.#bytes.fill(0, slot * slotBytes, (slot + 1) * slotBytes);
    this.#bytes[slot * slotBytes] = slotStates.erased;
  }

  /** Of no use: a crash tore it. */
  dropLast(): void {
    this.#intact[--this.#length] = 0;
    this.#table = undefined;
  }

  /** From one slot to before another, as they are to lie in the file. */
  encoded(from: number, to: number): Buffer {
    return Buffer.from(this.#bytes.subarray(from * slotBytes, to * slotBytes));
  }

  #isIntact(slot: number): boolean {
    if (this.#intact[slot] === 1) return true;
    const at = slot * slotBytes;
    const rest = this.#bytes.subarray(at + fingerprintAt, at + slotBytes);
    const isIntact = this.#bytes.compare(sha256(rest), 0, checksumBytes, at + 1, at + fingerprintAt) === 0;
    if (isIntact) this.#intact[slot] = 1;
    return isIntact;
  }

  #grow(): void {
    this.#bytes = moveToTwice(this.#bytes);
    const intact = new Uint8Array(2 * this.#intact.length);
    intact.set(this.#intact);
    this.#intact = intact;
  }

  #tableNow(): FingerprintTable {
    if (this.#table) return this.#table;
    const table = new FingerprintTable({
      rowBytes: slotBytes,
      fingerprintAt,
      rows: this.#length,
      random: this.#random,
    });
    for (let slot = 0; slot < this.#length; slot++)
      if (this.#bytes[slot * slotBytes] === slotStates.live) table.enter(this.#bytes, slot);
    this.#table = table;
    return table;
  }
}

/** A power cut during the very first write: the file has its length, and zeros from somewhere in its first bytes on. */
function isTorn(bytes: Buffer): boolean {
  let at = 0;
  while (at < partyKeysMagic.length && bytes[at] === partyKeysMagic[at]) at++;
  return at < partyKeysMagic.length && bytes.subarray(at).every((byte) => byte === 0);
}

const initialSlots = 1 << 12;

/**
 * The ids of millions of records in eight bytes each: membership by the first 64 bits of a SHA-256. Good enough to
 * notice a parent that is not there; nobody can aim a false hit at a log whose ids are salted hashes.
 */
export class IdSet {
  #slots = new Uint32Array(2 * initialSlots);
  #size = 0;

  add(id: Uint8Array): void {
    if ((this.#size + 1) * 3 > this.#slots.length) this.#grow();
    const [high, low] = keyOf(id);
    if (insert(this.#slots, high, low)) this.#size += 1;
  }

  has(id: Uint8Array): boolean {
    const [high, low] = keyOf(id);
    const at = slotFor(this.#slots, high, low);
    return this.#slots[at] === high && this.#slots[at + 1] === low;
  }

  #grow(): void {
    const grown = new Uint32Array(this.#slots.length * 2);
    for (let at = 0; at < this.#slots.length; at += 2) {
      const high = this.#slots[at] ?? 0;
      const low = this.#slots[at + 1] ?? 0;
      if (high !== 0 || low !== 0) insert(grown, high, low);
    }
    this.#slots = grown;
  }
}

function keyOf(id: Uint8Array): readonly [number, number] {
  const view = new DataView(id.buffer, id.byteOffset, id.byteLength);
  // An all-zero key would look like a free slot.
  return [view.getUint32(0), view.getUint32(4) || 1];
}

function insert(slots: Uint32Array, high: number, low: number): boolean {
  const at = slotFor(slots, high, low);
  const isNew = slots[at] === 0 && slots[at + 1] === 0;
  slots[at] = high;
  slots[at + 1] = low;
  return isNew;
}

/** The slot that holds this key, or the free one where it would go. */
function slotFor(slots: Uint32Array, high: number, low: number): number {
  const mask = slots.length / 2 - 1;
  for (let slot = low & mask; ; slot = (slot + 1) & mask) {
    const at = slot * 2;
    if ((slots[at] === 0 && slots[at + 1] === 0) || (slots[at] === high && slots[at + 1] === low)) return at;
  }
}

import { ByteWriter } from './byte-writer.ts';
import { ProvenanceError } from './error.ts';

/** A field in the order of the encoding. */
interface ShapeField {
  readonly key: string;
  /** The CBOR of the key. */
  readonly encoded: Uint8Array;
  /** Which of the values that were put is the field's. */
  readonly at: number;
}

/**
 * The keys of a layer in the order in which they are put, and from that how they are encoded: layers of one shape are
 * sorted once. A shape knows those with one key more, and has the one that was asked for last at hand.
 */
export class LayerShape {
  readonly #keys: readonly string[];
  readonly #book: LayerShapes;
  readonly #wider = new Map<string, LayerShape>();
  #lastKey: string | undefined;
  #last: LayerShape | undefined;
  #fields: readonly ShapeField[] | undefined;

  constructor(keys: readonly string[], book: LayerShapes) {
    this.#keys = keys;
    this.#book = book;
  }

  /** With one key more. */
  with(key: string): LayerShape {
    if (key === this.#lastKey && this.#last) return this.#last;
    let shape = this.#wider.get(key);
    if (!shape) {
      shape = new LayerShape([...this.#keys, key], this.#book);
      this.#wider.set(key, shape);
      this.#book.added();
    }
    this.#lastKey = key;
    this.#last = shape;
    return shape;
  }

  /**
   * In the order of RFC 8949 §4.2.1; of fields that were put twice the first. Throws ProvenanceError `layer-invalid` unless
   * all keys are plain ASCII.
   */
  fields(): readonly ShapeField[] {
    this.#fields ??= [...new Set(this.#keys)]
      .sort(byEncoding)
      .map((key) => ({ key, encoded: encodedKey(key), at: this.#keys.indexOf(key) }));
    return this.#fields;
  }
}

/** Drafts have few shapes; who calls may have a say in some of them. */
const maxShapes = 2_000;

/** All shapes that were met lately. */
export class LayerShapes {
  #empty = new LayerShape([], this);
  #count = 0;

  /** Without any key. */
  get empty(): LayerShape {
    return this.#empty;
  }

  added(): void {
    if (++this.#count < maxShapes) return;
    this.#count = 0;
    this.#empty = new LayerShape([], this);
  }
}

function encodedKey(key: string): Uint8Array {
  for (let i = 0; i < key.length; i++)
    if (key.charCodeAt(i) > 0x7e || key.charCodeAt(i) < 0x20)
      throw new ProvenanceError('layer-invalid', 'a layer cannot be recorded: a key is not plain ASCII');
  const writer = new ByteWriter();
  writer.text(key);
  return Uint8Array.from(writer.view());
}

/** RFC 8949 §4.2.1 order for ASCII keys: shorter first, then by character. */
function byEncoding(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1);
}

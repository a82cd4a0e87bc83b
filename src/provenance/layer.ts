import { type CborValue, decodeCbor } from '../tokens/index.ts';
import { type ByteWriter, cborMajor } from './byte-writer.ts';
import { ProvenanceError } from './error.ts';
import { type LayerShape, LayerShapes } from './layer-shape.ts';

/**
 * One TIBET layer as a plain object: text, integers, booleans, null, bytes, arrays and objects with ASCII keys.
 * Fields whose value is undefined are left out. Fractions are written as integers of a smaller unit.
 */
export type Layer = Readonly<Record<string, unknown>>;

const maxDepth = 16;

/** Appends the deterministic CBOR of a layer; throws ProvenanceError `layer-invalid`. */
export function writeLayer(writer: ByteWriter, layer: Layer): void {
  const fields = new LayerFields();
  fields.putAll(layer);
  fields.write(writer);
}

const shapes = new LayerShapes();

/** Some fields of a layer, as a layer within another one. To be used again, as `LayerFields`. */
export class LayerPart {
  layer: Layer = {};
  names: readonly string[] = [];

  /** undefined when the layer has none of the fields. */
  of(layer: Layer, names: readonly string[] | undefined): LayerPart | undefined {
    for (const name of names ?? [])
      if (layer[name] !== undefined) {
        this.layer = layer;
        this.names = names ?? [];
        return this;
      }
    return undefined;
  }
}

/**
 * The fields of a layer, gathered from several objects. To be used again and again: every record has at least four layers,
 * and objects made for them were a third of what a record allocated (`bench/provenance.ts`).
 */
export class LayerFields {
  #shape: LayerShape = shapes.empty;
  /** In the order in which they were put. */
  readonly #values: unknown[] = [];
  #count = 0;
  #depth = 0;
  /** For objects within this one. */
  #inner: LayerFields | undefined;

  /** Forgets all fields; `depth` counts the arrays and objects around the next ones. */
  reset(depth = 0): void {
    this.#shape = shapes.empty;
    this.#count = 0;
    this.#depth = depth;
  }

  /** The first to say something about a field is right; undefined leaves it out. */
  put(key: string, value: unknown): void {
    this.#shape = this.#shape.with(key);
    this.#values[this.#count++] = value;
  }

  putAll(object: object): void {
    // A Date or a Map would come out empty: better to refuse than to lose what it said.
    const prototype: unknown = Object.getPrototypeOf(object);
    if (prototype !== Object.prototype && prototype !== null) throw invalid('it holds an object of a class');
    if (!isLayer(object)) throw invalid('it holds an object of a class');
    for (const key in object) this.put(key, object[key]);
  }

  /** Returns where the field with that name ends, 0 when there is none. Throws ProvenanceError `layer-invalid`. */
  write(writer: ByteWriter, name = ''): number {
    const fields = this.#shape.fields();
    let end = 0;
    let said = 0;
    for (const { at } of fields) if (this.#values[at] !== undefined) said++;
    writer.head(cborMajor.map, said);
    for (const { key, encoded, at } of fields) {
      const value = this.#values[at];
      if (value === undefined) continue;
      writer.raw(encoded);
      this.#writeValue(writer, value, this.#depth + 1);
      if (key === name) end = writer.length;
    }
    return end;
  }

  #writeValue(writer: ByteWriter, value: unknown, depth: number): void {
    if (depth > maxDepth) throw invalid('it is nested too deeply');
    switch (typeof value) {
      case 'string':
        writer.text(value);
        return;
      case 'number':
        if (!Number.isSafeInteger(value)) throw invalid('it holds a number that is no integer');
        if (value >= 0) writer.head(cborMajor.unsigned, value);
        else writer.head(cborMajor.negative, -1 - value);
        return;
      case 'boolean':
        writer.uint8(value ? 0xf5 : 0xf4);
        return;
      case 'object':
        if (value === null) writer.uint8(0xf6);
        else if (value instanceof Uint8Array) writer.byteString(value);
        else if (Array.isArray(value)) {
          writer.head(cborMajor.array, value.length);
          for (const item of value) this.#writeValue(writer, item, depth + 1);
        } else this.#writeObject(writer, value, depth);
        return;
      default:
        throw invalid(`it holds a ${typeof value}`);
    }
  }

  #writeObject(writer: ByteWriter, object: object, depth: number): void {
    this.#inner ??= new LayerFields();
    this.#inner.reset(depth);
    if (object instanceof LayerPart)
      for (const name of object.names) this.#inner.put(name, object.layer[name]);
    else this.#inner.putAll(object);
    this.#inner.write(writer);
  }
}

function invalid(why: string): ProvenanceError {
  return new ProvenanceError('layer-invalid', `a layer cannot be recorded: ${why}`);
}

/** A layer read back as a plain object; throws TokenError or ProvenanceError `record-malformed`. */
export function decodeLayer(encoding: Uint8Array): Layer {
  const value = plainValue(decodeCbor(encoding));
  if (!isLayer(value)) throw new ProvenanceError('record-malformed', 'a layer is not a map');
  return value;
}

export function isLayer(value: unknown): value is Layer {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

function plainValue(value: CborValue): unknown {
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(plainValue);
  if (value instanceof Map) {
    const fields: [string, unknown][] = [];
    for (const [key, item] of value) fields.push([String(key), plainValue(item)]);
    return Object.fromEntries(fields);
  }
  return value;
}

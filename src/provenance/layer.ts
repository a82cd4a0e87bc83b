import { type CborValue, decodeCbor } from '../tokens/index.ts';
import { type ByteWriter, cborMajor } from './byte-writer.ts';
import { ProvenanceError } from './error.ts';

/**
 * One TIBET layer as a plain object: text, integers, booleans, null, bytes, arrays and objects with ASCII keys.
 * Fields whose value is undefined are left out. Fractions are written as integers of a smaller unit.
 */
export type Layer = Readonly<Record<string, unknown>>;

const maxDepth = 16;

/** Appends the deterministic CBOR of a layer; throws ProvenanceError `layer-invalid`. */
export function writeLayer(writer: ByteWriter, layer: Layer): void {
  writeObject(writer, layer, 0);
}

function writeValue(writer: ByteWriter, value: unknown, depth: number): void {
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
      else if (Array.isArray(value)) writeArray(writer, value, depth);
      else writeObject(writer, value, depth);
      return;
    default:
      throw invalid(`it holds a ${typeof value}`);
  }
}

function writeArray(writer: ByteWriter, items: readonly unknown[], depth: number): void {
  writer.head(cborMajor.array, items.length);
  for (const item of items) writeValue(writer, item, depth + 1);
}

function writeObject(writer: ByteWriter, object: object, depth: number): void {
  // A Date or a Map would come out empty: better to refuse than to lose what it said.
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) throw invalid('it holds an object of a class');
  if (!isLayer(object)) throw invalid('it holds an object of a class');
  const keys: string[] = [];
  for (const key in object) if (object[key] !== undefined) insertKey(keys, key);
  writer.head(cborMajor.map, keys.length);
  for (let at = 0; at < keys.length; at++) {
    const key = keys[at] ?? '';
    writer.text(key);
    writeValue(writer, object[key], depth + 1);
  }
}

/** RFC 8949 §4.2.1 order for ASCII keys: shorter first, then by character. Insertion sort: layers are small. */
function insertKey(keys: string[], key: string): void {
  for (let i = 0; i < key.length; i++)
    if (key.charCodeAt(i) > 0x7e || key.charCodeAt(i) < 0x20) throw invalid('a key is not plain ASCII');
  let at = keys.length;
  keys.push(key);
  for (; at > 0; at--) {
    const before = keys[at - 1] ?? '';
    if (!precedes(key, before)) break;
    keys[at] = before;
  }
  keys[at] = key;
}

function precedes(a: string, b: string): boolean {
  return a.length === b.length ? a < b : a.length < b.length;
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

import { encodeCbor } from '../tokens/index.ts';
import { type ByteWriter, cborMajor } from './byte-writer.ts';

/** The four layers of a TIBET record, in the order in which a statement commits to them. */
export const layerNames = ['erin', 'eraan', 'eromheen', 'erachter'] as const;
export type LayerName = (typeof layerNames)[number];
/** What one party's commitment is called: one salt per party, so that one can be erased without the other. */
export const partyLayerName = 'party';

export const saltBytes = 32;
const context = 'tibet-sip/commitment/v1';

/** A committed value and the salt that keeps its commitment from being guessed. */
export interface Opening {
  readonly salt: Uint8Array;
  readonly encoding: Uint8Array;
}

/** Everything of the commitment's input that stands before the salt: array(4), context, layer name. */
function prefixOf(layerName: string): Uint8Array {
  // A three-item array without its items, so that a fourth fits: only its first byte differs.
  const prefix = encodeCbor([context, layerName]).slice();
  prefix[0] = cborMajor.array | 4;
  return prefix;
}

const prefixes: ReadonlyMap<string, Uint8Array> = new Map(
  [...layerNames, partyLayerName].map((name) => [name, prefixOf(name)]),
);

/**
 * SHA-256 over the deterministic CBOR of [context, layer name, salt, encoding]. `opened` is the salt and the
 * encoding as two CBOR byte strings, just as they stand in the record's opening; `scratch` is overwritten.
 */
export function commitmentTo(scratch: ByteWriter, layerName: string, opened: Uint8Array): string {
  scratch.reset();
  scratch.raw(commitmentHead(layerName));
  scratch.raw(opened);
  return scratch.digest();
}

/** What stands before salt and encoding in that input. */
export function commitmentHead(layerName: string): Uint8Array {
  return prefixes.get(layerName) ?? prefixOf(layerName);
}

/** Salt and encoding as `commitmentTo` wants them. */
export function writeOpened(writer: ByteWriter, opening: Opening): void {
  writer.byteString(opening.salt);
  writer.byteString(opening.encoding);
}

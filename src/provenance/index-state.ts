import { equalBytes } from '../base/index.ts';
import { ProvenanceError } from './error.ts';
import { countFrom, uint64 } from './index-keys.ts';
import type { IndexTables } from './index-tables.ts';
import type { TreeHead } from './merkle-tree.ts';

const formatVersion = 7;
const stateKey = Buffer.from('state');

/** An index that an earlier release made: derived from the log, so it is made again rather than converted. */
export function isOlder({ root }: IndexTables): boolean {
  const state = root.get(stateKey);
  return state !== undefined && state.readUInt32BE(0) < formatVersion;
}

/** The tree that the tables are complete for. Throws ProvenanceError `index-foreign`. */
export function readState(tables: IndexTables, origin: Buffer): TreeHead {
  const state = tables.root.get(stateKey);
  if (!state || isOlder(tables)) return { size: 0, root: new Uint8Array(0) };
  if (state.readUInt32BE(0) !== formatVersion || !equalBytes(state.subarray(44), origin))
    throw new ProvenanceError(
      'index-foreign',
      'the index directory belongs to another log; remove it to rebuild it',
    );
  return { size: Number(state.readBigUInt64BE(4)), root: Uint8Array.from(state.subarray(12, 44)) };
}

/** Within a transaction, the last of a write. */
export function putState({ root }: IndexTables, origin: Buffer, head: TreeHead): void {
  root.putSync(stateKey, Buffer.concat([countFrom(formatVersion), uint64(head.size), head.root, origin]));
}

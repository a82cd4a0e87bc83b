import type { Fingerprint } from '../tokens/index.ts';
import { decodeCall, decodeHead, encodeCall } from './index-keys.ts';
import { tagOf } from './index-lookup.ts';
import { type Places, segmentRecords } from './index-places.ts';
import type { IndexTables } from './index-tables.ts';
import { intentWords } from './intent-words.ts';
import { withoutParty } from './ledger.ts';

/** Segments that are cleaned under one LMDB transaction. */
const chunkSegments = 64;

/** What the index knew of a record and may know no longer. */
export interface ErasedTrace {
  readonly position: number;
  readonly intent: string | undefined;
  readonly sipCallId: string | undefined;
}

export async function unlistTraces(
  tables: IndexTables,
  places: Places,
  traces: readonly ErasedTrace[],
): Promise<void> {
  await tables.root.transaction(() => {
    for (const { position, intent, sipCallId } of traces) {
      const tags = intentWords(intent ?? '').map((word) => tables.intentTag(word));
      if (sipCallId !== undefined) tags.push(tables.callTag(sipCallId));
      const segment = Math.floor(position / segmentRecords);
      for (const tag of tags) places.remove(tag, segment, { from: position, to: position + 1 });
    }
  });
}

/** Takes an identity's records before a position out of the tables, its head among them, and it out of open calls. */
export async function forgetIdentity(
  tables: IndexTables,
  places: Places,
  fingerprint: Fingerprint,
  before: number,
): Promise<void> {
  const { root, heads, calls } = tables;
  const tag = tagOf(tables, { identity: fingerprint });
  const segments = Math.ceil(before / segmentRecords);
  for (let first = 0; first < segments; first += chunkSegments)
    await root.transaction(() => {
      for (let at = first; at < Math.min(segments, first + chunkSegments); at++)
        places.remove(tag, at, { from: 0, to: before });
    });
  const key = tables.identityKey(fingerprint);
  await root.transaction(() => {
    const head = decodeHead(heads.get(key));
    if (head && head.position < before) heads.removeSync(key);
    for (const { key: callKey, value } of calls.getRange()) {
      const call = decodeCall(value);
      const parties = withoutParty(call.parties, fingerprint);
      if (parties.length < call.parties.length) calls.putSync(callKey, encodeCall({ ...call, parties }));
    }
  });
}

import type { RecordDraft } from '../../src/provenance/index.ts';
import { formatTlogProof, parseTlogProof } from '../../src/provenance/tlog-proof.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../../src/tokens/index.ts';
import { attempt, draft } from '../provenance/support/test-log.ts';

/** The four records of one answered call. */
export function answeredCall(id: string): readonly RecordDraft[] {
  const erin = { callId: `sip-${id}@example.com`, caller: 'jis:sensor-01', callee: 'jis:bob' };
  const erachter = 'callback, ticket 4711';
  return [
    {
      ...attempt(id),
      erin: { ...erin, event: 'call.attempt', assurance: 3, signedBy: 'device' },
      erachter,
    },
    draft('x', {
      erin: { ...erin, event: 'call.ringing', status: 180 },
      erachter,
      call: { id, phase: 'progress' },
    }),
    draft('x', {
      erin: { ...erin, event: 'call.answer', status: 200 },
      erachter,
      call: { id, phase: 'answer' },
    }),
    draft('x', {
      erin: { ...erin, event: 'call.end', outcome: 'answered', talkedMs: 12_000, by: 'caller' },
      erachter,
      call: { id, phase: 'close' },
    }),
  ];
}

/** A proof file whose extra data somebody has worked on. */
export function withExtra(proof: string, change: (extra: Map<number | string, CborValue>) => void): string {
  const parsed = parseTlogProof(proof);
  const extra = decodeCbor(parsed.extra ?? new Uint8Array(0));
  if (!(extra instanceof Map)) throw new Error('the proof has no extra data');
  const changed = new Map(extra);
  change(changed);
  return formatTlogProof({ ...parsed, extra: encodeCbor(changed) });
}

/** The other records of a proof file (field 6 of its extra data) without the one at this place. */
export function withoutRecord(proof: string, at: number): string {
  return withExtra(proof, (extra) => {
    const others = extra.get(6);
    if (!Array.isArray(others)) throw new Error('the proof has one record only');
    extra.set(6, others.toSpliced(at, 1));
  });
}

/** An opening (the bytes of one) with these layers or parties erased: `[0, 3]` is ERIN and ERACHTER. */
export function erasedOpening(
  opening: CborValue | undefined,
  layers: readonly number[],
  parties: readonly number[],
): Uint8Array {
  const parts = opening instanceof Uint8Array ? decodeCbor(opening) : undefined;
  if (!Array.isArray(parts) || !Array.isArray(parts[1]) || !Array.isArray(parts[2]))
    throw new Error('no opening');
  const erase = (items: readonly CborValue[], erased: readonly number[]): CborValue =>
    items.map((item, at) => (erased.includes(at) ? null : item));
  return encodeCbor([parts[0] ?? 1, erase(parts[1], layers), erase(parts[2], parties)]);
}

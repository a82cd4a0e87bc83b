import { concat, encodeBase32, equal, utf8 } from './bytes.ts';
import { head as cborHead, item } from './commitment.ts';
import type { Completeness } from './completeness.ts';
import { VerifyError } from './error.ts';
import { leafHash, rootFromInclusion } from './merkle.ts';
import type { ProvedRecord } from './proof.ts';

const headsEvent = 'audit.heads';
const leafContext = 'tibet-sip/head/v1';

/** What a file says of an identity's newest record, and the record of the log that commits to it. */
export interface HeadClaim {
  /** Where the record lies that commits to all heads. */
  readonly position: number;
  readonly seq: number;
  readonly record: Uint8Array;
  readonly salt: Uint8Array;
  readonly index: number;
  readonly path: readonly Uint8Array[];
}

/** Holds the records of an identity against the head that the log committed to. Throws VerifyError `entry`. */
export function checkHead(
  head: HeadClaim,
  identity: Uint8Array,
  records: readonly ProvedRecord[],
): Completeness {
  const { size, time } = committed(head, identity, records);
  const fingerprint = encodeBase32(identity);
  const record = encodeBase32(head.record);
  const before = records.flatMap(({ position, id, opened }) =>
    (opened?.parties ?? [])
      .filter((party) => party.fingerprint === fingerprint && position < size)
      .map(({ seq }) => ({ id, seq })),
  );
  const contradiction = before.find(({ seq, id }) => seq > head.seq || (seq === head.seq && id !== record));
  const newest = `record ${head.seq} of the identity was its newest one when the log had ${size} records`;
  return {
    contradictions: contradiction
      ? [`the log committed to it that ${newest}, and a newer or another one is shown`]
      : [],
    gaps: before.some(({ seq }) => seq === head.seq)
      ? []
      : [`the log committed to it that ${newest}: its last ones are missing here`],
    complete: [`None is missing at the end: at ${time} the log committed to it that ${newest}.`],
  };
}

/** The moment that the commitment speaks of, once it is shown to hold this head. */
function committed(
  { position, seq, record, salt, index, path }: HeadClaim,
  identity: Uint8Array,
  records: readonly ProvedRecord[],
): { readonly size: number; readonly time: string } {
  const opened = records.find((one) => one.position === position)?.opened;
  const { size, identities, root } = opened?.erin ?? {};
  if (
    opened?.event !== headsEvent ||
    typeof size !== 'number' ||
    typeof identities !== 'number' ||
    !(root instanceof Uint8Array)
  )
    throw new VerifyError('entry', "the record that commits to the identity's newest one is not here");
  const leaf = leafHash(
    concat(
      Uint8Array.of(0x85),
      item(0x60, utf8(leafContext)),
      item(0x40, identity),
      cborHead(0, seq),
      item(0x40, record),
      item(0x40, salt),
    ),
  );
  const found = rootFromInclusion(leaf, index, identities, path);
  if (!found || !equal(found, root))
    throw new VerifyError('entry', 'the log committed to another newest record of the identity');
  return { size, time: opened.time ?? 'a time that is not shown' };
}

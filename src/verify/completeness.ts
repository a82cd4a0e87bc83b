import { encodeBase32 } from './bytes.ts';
import { checkHead, type HeadClaim } from './committed-head.ts';
import type { ProvedRecord } from './proof.ts';
import type { Claim } from './proof-file.ts';

/** What the records of one file say about each other. */
export interface Completeness {
  /** Two of them cannot both be true. */
  readonly contradictions: readonly string[];
  /** Something that the file claims to hold is not there. */
  readonly gaps: readonly string[];
  /** What is complete, in words. */
  readonly complete: readonly string[];
}

/** Throws VerifyError `entry` when no record here committed to `head`. */
export function checkCompleteness(
  records: readonly ProvedRecord[],
  claim: Claim | undefined,
  head: HeadClaim | undefined,
): Completeness {
  const inOrder = records.toSorted((a, b) => a.position - b.position);
  const contradictions = [...repeated(inOrder), ...brokenSequences(inOrder)];
  if (claim?.kind === 'call') return { contradictions, ...callOf(inOrder, claim.call) };
  if (claim?.kind === 'identity') {
    const { gaps, complete } = identityOf(inOrder, encodeBase32(claim.fingerprint));
    const end = head && checkHead(head, claim.fingerprint, inOrder);
    return {
      contradictions: [...contradictions, ...(end?.contradictions ?? [])],
      gaps: [...gaps, ...(end?.gaps ?? [])],
      complete: [...complete, ...(end?.complete ?? [])],
    };
  }
  return { contradictions, gaps: [], complete: [] };
}

function repeated(records: readonly ProvedRecord[]): readonly string[] {
  return records.flatMap((record, at) =>
    at > 0 && records[at - 1]?.position === record.position
      ? ['the same record stands in the file twice']
      : [],
  );
}

interface Link {
  readonly seq: number;
  readonly prev: string | undefined;
  readonly id: string;
}

/** The records of each identity, in the order of the log. */
function sequences(records: readonly ProvedRecord[]): ReadonlyMap<string, readonly Link[]> {
  const all = new Map<string, Link[]>();
  for (const { id, opened } of records)
    for (const { fingerprint, seq, prev } of opened?.parties ?? []) {
      const links = all.get(fingerprint) ?? [];
      links.push({ seq, prev, id });
      all.set(fingerprint, links);
    }
  return all;
}

function brokenSequences(records: readonly ProvedRecord[]): readonly string[] {
  const broken: string[] = [];
  for (const [fingerprint, links] of sequences(records))
    for (const [at, { seq, prev }] of links.entries()) {
      const before = links[at - 1];
      if (!before) continue;
      if (seq <= before.seq)
        broken.push(`identity ${fingerprint}: its record ${seq} stands behind its record ${before.seq}`);
      else if (seq === before.seq + 1 && prev !== before.id)
        broken.push(
          `identity ${fingerprint}: its record ${seq} does not follow on the record ${before.seq} shown here`,
        );
    }
  return broken;
}

function callOf(records: readonly ProvedRecord[], call: string): Omit<Completeness, 'contradictions'> {
  const own = records.filter(({ opened }) => opened?.call?.id === call);
  const gaps: string[] = [];
  const [first, last] = [own[0], own.at(-1)];
  if (first?.opened?.call?.phase !== 'attempt') gaps.push('the record with which the call began is missing');
  for (const [at, { opened }] of own.entries()) {
    const before = own[at - 1];
    if (before && opened?.previous !== before.id)
      gaps.push(
        `between the call's ${opened?.event ?? 'record'} and what stands before it a record is missing`,
      );
  }
  if (last && last.opened?.call?.phase !== 'close')
    gaps.push(
      `the call's ${last.opened?.event ?? 'last record'} has no successor here: no record says how the call ended`,
    );
  return {
    gaps,
    complete:
      gaps.length === 0
        ? [`All ${own.length} records of the call are here, from its attempt to its end.`]
        : [],
  };
}

function identityOf(
  records: readonly ProvedRecord[],
  fingerprint: string,
): Omit<Completeness, 'contradictions'> {
  const links = sequences(records).get(fingerprint) ?? [];
  const gaps = links.flatMap(({ seq }, at) => {
    const before = links[at - 1];
    if (!before || seq <= before.seq + 1) return [];
    const [from, to] = [before.seq + 1, seq - 1];
    return [
      from === to
        ? `record ${from} of the identity is missing`
        : `records ${from} to ${to} of the identity are missing`,
    ];
  });
  const [first, last] = [links[0], links.at(-1)];
  if (!first || !last) return { gaps: ['not one record of the identity is here'], complete: [] };
  return {
    gaps,
    complete:
      gaps.length > 0
        ? []
        : [
            `Records ${first.seq} to ${last.seq} of the identity are all here, each bound to the one before it${earlier(first.seq)}.`,
          ],
  };
}

/** A file may begin anywhere in an identity's sequence: nothing is wrong with that, and it has to be said. */
function earlier(first: number): string {
  if (first <= 1) return '';
  return first === 2 ? '; its record 1 is not shown' : `; its records 1 to ${first - 1} are not shown`;
}

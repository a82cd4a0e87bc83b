import { decodeBase64, equal } from './bytes.ts';
import { type LogKey, openSigned, type SignedCheckpoint } from './checkpoint.ts';
import { hashBytes } from './crypto.ts';
import { VerifyError } from './error.ts';
import { leafHash, perfectSubtrees, rootFromInclusion, rootsFromConsistency } from './merkle.ts';
import { parseProofFile } from './proof-file.ts';

/**
 * Two signed states of one log in one file. `path` begins with the hash that RFC 6962 leaves out where the older tree
 * is whole, so that it shows consistency and contradiction alike: it leads to the newer root either way.
 */
export interface CheckpointComparison {
  readonly format: 'tibet-sip/log-comparison';
  readonly version: 1;
  readonly older: string;
  readonly newer: string;
  readonly path: readonly string[];
}

/** Two proofs of one log that put different records into the same place. */
export interface ProofComparison {
  readonly format: 'tibet-sip/log-comparison';
  readonly version: 1;
  readonly proofs: readonly [string, string];
}

export type Comparison = CheckpointComparison | ProofComparison;

export interface ComparisonResult {
  readonly forked: boolean;
  readonly says: string;
  readonly older: SignedCheckpoint;
  readonly newer: SignedCheckpoint;
}

/** Throws VerifyError `format`. */
export function parseComparison(text: string): Comparison {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw notOne();
  }
  if (typeof value !== 'object' || value === null) throw notOne();
  const { format, version, older, newer, path, proofs }: Readonly<Record<string, unknown>> = { ...value };
  const common = { format: 'tibet-sip/log-comparison', version: 1 } as const;
  if (format !== common.format || version !== common.version) throw notOne();
  if (Array.isArray(proofs)) {
    const [a, b]: readonly unknown[] = proofs;
    if (proofs.length !== 2 || typeof a !== 'string' || typeof b !== 'string') throw notOne();
    return { ...common, proofs: [a, b] };
  }
  if (typeof older !== 'string' || typeof newer !== 'string' || !Array.isArray(path)) throw notOne();
  return { ...common, older, newer, path: path.map((hash) => (typeof hash === 'string' ? hash : '')) };
}

/**
 * By these keys of the log alone. Throws VerifyError when the file shows neither: a signature is missing, or the path
 * leads nowhere.
 */
export function compare(comparison: Comparison, logs: readonly LogKey[]): ComparisonResult {
  if ('proofs' in comparison) return compareProofs(comparison.proofs, logs);
  const older = openSigned(comparison.older, logs);
  const newer = openSigned(comparison.newer, logs);
  if (older.size > newer.size || older.size === 0)
    throw new VerifyError(
      'format',
      'the two checkpoints are in the wrong order, or the older one is of an empty log',
    );
  const hashes = comparison.path.map((text) => {
    const hash = decodeBase64(text);
    if (hash?.length !== hashBytes) throw new VerifyError('format', 'a hash of the comparison is no hash');
    return hash;
  });
  const roots =
    older.size === newer.size
      ? { older: newer.root, newer: newer.root }
      : rootsFromConsistency(older.size, newer.size, hashes);
  if (!roots || !equal(roots.newer, newer.root))
    throw new VerifyError('inclusion', 'the hashes of the comparison do not lead to the newer checkpoint');
  const forked = !equal(roots.older, older.root);
  const says = forked
    ? `The operator signed two histories: the log of ${newer.size} records does not begin with the ${older.size} records that were signed before.`
    : `The log of ${newer.size} records begins with the very ${older.size} records that were signed before: nothing was changed or taken out.`;
  return { forked, says, older, newer };
}

/** Every hash of a complete subtree that both proofs tell has to be the same for all time. */
function compareProofs(texts: readonly [string, string], logs: readonly LogKey[]): ComparisonResult {
  const [a, b] = texts.map((text) => provedSubtrees(text, logs));
  if (!a || !b) throw notOne();
  const [older, newer] = a.head.size <= b.head.size ? [a.head, b.head] : [b.head, a.head];
  const known = new Map(a.subtrees.map(({ start, width, hash }) => [`${start} ${width}`, hash]));
  const conflict = b.subtrees.find(({ start, width, hash }) => {
    const other = known.get(`${start} ${width}`);
    return other !== undefined && !equal(other, hash);
  });
  const same = older.size === newer.size && !equal(older.root, newer.root);
  if (!conflict && !same)
    return {
      forked: false,
      says: 'The two files do not contradict each other where they can be compared.',
      older,
      newer,
    };
  const where = conflict
    ? `${conflict.start} to ${conflict.start + conflict.width - 1}`
    : `0 to ${newer.size - 1}`;
  return {
    forked: true,
    says: `The operator signed two histories: they differ within the records ${where}.`,
    older,
    newer,
  };
}

function provedSubtrees(
  text: string,
  logs: readonly LogKey[],
): { readonly head: SignedCheckpoint; readonly subtrees: ReturnType<typeof perfectSubtrees> } {
  const file = parseProofFile(text);
  const head = openSigned(file.checkpoint, logs);
  const subtrees = [...file.records, ...file.nodes].flatMap(({ entry, index, path }) => {
    const leaf = leafHash(entry);
    const root = rootFromInclusion(leaf, index, head.size, path);
    if (!root || !equal(root, head.root))
      throw new VerifyError('inclusion', 'one of the two proofs does not lead to its own checkpoint');
    return perfectSubtrees(leaf, index, head.size, path);
  });
  return { head, subtrees };
}

/** The evidence, when two proof files of one log contradict each other; undefined when they do not. */
export function forkBetween(a: string, b: string, logs: readonly LogKey[]): ProofComparison | undefined {
  const comparison = { format: 'tibet-sip/log-comparison', version: 1, proofs: [a, b] } as const;
  return compare(comparison, logs).forked ? comparison : undefined;
}

export function formatComparison(comparison: Comparison): string {
  return `${JSON.stringify(comparison, undefined, 2)}\n`;
}

function notOne(): VerifyError {
  return new VerifyError(
    'format',
    'not a comparison of two states of a log; an export proves nothing by itself: ask for a proof file, or take the one out of the vCon',
  );
}

import { ProvenanceError } from './error.ts';
import { hashBytes } from './merkle-tree.ts';
import { decodeBase64 } from './signed-note.ts';

/** C2SP tlog-proof. */
const header = 'c2sp.org/tlog-proof@v1';
/** A path in a tree of 2^53 leaves has 53 hashes. */
const maxPathHashes = 64;

/** One entry's place in a log, checkable offline. */
export interface TlogProof {
  /** Opaque to the format: here the entry itself and what opens it. Not authenticated by the format. */
  readonly extra: Uint8Array | undefined;
  readonly index: number;
  readonly path: readonly Uint8Array[];
  /** A signed note, verbatim. */
  readonly checkpoint: string;
}

export function formatTlogProof({ extra, index, path, checkpoint }: TlogProof): string {
  const lines = [header];
  if (extra) lines.push(`extra ${Buffer.from(extra).toString('base64')}`);
  lines.push(`index ${index}`);
  for (const hash of path) lines.push(Buffer.from(hash).toString('base64'));
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/** Throws ProvenanceError `proof-malformed`. */
export function parseTlogProof(text: string): TlogProof {
  const split = text.indexOf('\n\n');
  if (split < 0) throw malformed('no checkpoint follows');
  const lines = text.slice(0, split).split('\n');
  if (lines.shift() !== header) throw malformed(`it does not begin with ${header}`);
  const extra = lines[0]?.startsWith('extra ') ? decodeBase64(lines.shift()?.slice(6) ?? '') : undefined;
  const indexLine = lines.shift() ?? '';
  const index = Number(indexLine.slice(6));
  if (!Number.isSafeInteger(index) || index < 0 || indexLine !== `index ${index}`)
    throw malformed('no index');
  if (lines.length > maxPathHashes) throw malformed('its path is too long');
  const path = lines.map((line) => {
    const hash = decodeBase64(line);
    if (hash?.length !== hashBytes) throw malformed('a line of its path is no hash');
    return hash;
  });
  return { extra, index, path, checkpoint: text.slice(split + 2) };
}

function malformed(why: string): ProvenanceError {
  return new ProvenanceError('proof-malformed', `not a tlog-proof: ${why}`);
}

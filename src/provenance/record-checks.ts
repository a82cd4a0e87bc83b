import { TokenError } from '../tokens/index.ts';
import { ByteWriter } from './byte-writer.ts';
import { commitmentTo, layerNames, type Opening, partyLayerName, writeOpened } from './commitment.ts';
import { decodeOpening } from './entry.ts';
import { ProvenanceError } from './error.ts';
import type { Statement } from './statement.ts';

/** Why a plain opening does not open this statement's commitments; undefined when it does, as far as it opens. */
export function openingFault(statement: Statement, bytes: Uint8Array): string | undefined {
  let opening: ReturnType<typeof decodeOpening>;
  try {
    opening = decodeOpening(bytes);
  } catch (error) {
    if (error instanceof ProvenanceError || error instanceof TokenError) return error.message;
    throw error;
  }
  if (opening.parties.length !== statement.parties.length) return 'it opens another number of parties';
  const writer = new ByteWriter();
  for (const [at, name] of layerNames.entries())
    if (!opens(writer, name, statement.layers[at], opening.layers[at]))
      return `layer ${name} is not what was committed to`;
  for (const [at, commitment] of statement.parties.entries())
    if (!opens(writer, partyLayerName, commitment, opening.parties[at]))
      return `party ${at} is not what was committed to`;
  return undefined;
}

function opens(
  writer: ByteWriter,
  name: string,
  commitment: Uint8Array | undefined,
  opening: Opening | undefined,
): boolean {
  if (!opening) return true;
  if (!commitment) return false;
  const opened = new ByteWriter();
  writeOpened(opened, opening);
  return Buffer.from(commitmentTo(writer, name, opened.view()), 'latin1').equals(commitment);
}

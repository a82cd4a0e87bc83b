import { encodeBase32, type Random } from '../base/index.ts';
import type { ByteWriter } from './byte-writer.ts';
import { commitmentHead, layerNames, partyLayerName, saltBytes } from './commitment.ts';
import { HeadedDigest } from './digest.ts';
import { openingHeadBytes } from './frame-records.ts';
import { leafPrefix } from './merkle-tree.ts';
import { OpeningSealer } from './opening-seal.ts';
import type { PendingRecord } from './pending-record.ts';
import { columnsOf, itemOf, partyPlace, place, type RecordPlaces } from './record-places.ts';
import { commitmentStep } from './statement.ts';

const leaf = new HeadedDigest(Uint8Array.of(leafPrefix));
const layerCommitments = layerNames.map((name) => new HeadedDigest(commitmentHead(name)));
const partyCommitment = new HeadedDigest(commitmentHead(partyLayerName));
/** An item's first byte; what is committed to comes behind it. */
const itemHeadBytes = 1;
/** That byte and the head of the salt. */
const saltAt = 3;

/** Fills in what `RecordWriter` has left blank, where it lies. */
export class RecordSealer {
  readonly #random: Random;
  readonly #openings: OpeningSealer;

  constructor(random: Random) {
    this.#random = random;
    this.#openings = new OpeningSealer(random);
  }

  /** Ids of the records before, salts, commitments, and from them its own id: in the order of the log. */
  commit(writer: ByteWriter, places: RecordPlaces, at: number, { facts, previous }: PendingRecord): void {
    if (previous) writer.latin1At(places.of(at, place.previous), encodeBase32(previous));
    let commitment = places.of(at, place.layers);
    let layer = 0;
    for (const digest of layerCommitments) {
      this.#commitTo(writer, places, at, itemOf(layer++), digest, commitment);
      commitment += commitmentStep;
    }
    commitment = places.of(at, place.partyLayers);
    let number = 0;
    for (const { prev } of facts.parties) {
      const columns = columnsOf(number++);
      if (prev) writer.rawAt(places.of(at, columns + partyPlace.prev), prev);
      this.#commitTo(writer, places, at, columns, partyCommitment, commitment);
      commitment += commitmentStep;
    }
    const statement = places.of(at, place.statement);
    const end = places.of(at, place.opening) - openingHeadBytes;
    facts.idBytes.write(writer.digestOf(leaf, statement, end), 'latin1');
  }

  /** Once all of the batch are committed to. */
  seal(writer: ByteWriter, places: RecordPlaces, at: number, { facts }: PendingRecord): void {
    if (facts.parties.length > 0) this.#openings.seal(writer, places, at, facts.parties);
  }

  #commitTo(
    writer: ByteWriter,
    places: RecordPlaces,
    at: number,
    column: number,
    headed: HeadedDigest,
    commitment: number,
  ): void {
    const start = places.of(at, column);
    writer.randomAt(start + saltAt, this.#random, saltBytes);
    const digest = writer.digestOf(headed, start + itemHeadBytes, places.of(at, column + 1));
    writer.latin1At(commitment, digest);
  }
}

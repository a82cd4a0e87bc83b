import { asBuffer } from '../base/index.ts';
import { entryLengthBytes, type LengthBytes, openingLengthBytes } from './bundle.ts';
import { ProvenanceError } from './error.ts';
import { firstEntries, firstOpenings } from './log-edge.ts';
import type { RangeHash } from './merkle-tree.ts';
import type { PartyKeySource } from './opening-seal.ts';
import { type Extent, maxHeadBytes, OpeningsHead } from './openings-file.ts';
import { Recent } from './recent.ts';
import { type OpenedRecord, openRecord, type RawRecord } from './record.ts';
import type { PartlyReadable } from './storage.ts';
import { bundlePath, openingsPath, tileWidth, widthOf } from './tile-layout.ts';
import { TreeReader } from './tree-reader.ts';

/** Bundles kept in memory, half a megabyte each: a page of records in the order of the log comes from one or two. */
const cachedBundles = 8;
/** 2 kB each. */
const cachedHeads = 256;
/** Records that were read by themselves: who proves one has just looked it up. */
const cachedRecords = 64;

interface Bundle {
  readonly entries: readonly Uint8Array[];
  readonly openings: readonly Uint8Array[];
}

/**
 * Reads records and tree hashes from a log's files, whoever writes to them. A record by itself is read by itself; one
 * whose neighbour was just asked for, with all of its bundle.
 */
export class LogReader {
  readonly #storage: PartlyReadable;
  readonly #tree: TreeReader;
  readonly #bundles = new Recent<Bundle>(cachedBundles);
  readonly #heads = new Recent<OpeningsHead | undefined>(cachedHeads);
  readonly #records = new Recent<RawRecord>(cachedRecords);
  /** The position that was asked for last. */
  #last = Number.NaN;

  constructor(storage: PartlyReadable) {
    this.#storage = storage;
    this.#tree = new TreeReader(storage);
  }

  /** As `raw`, with the opening unsealed. */
  async opened(position: number, size: number, keys: PartyKeySource): Promise<OpenedRecord> {
    return openRecord(await this.raw(position, size), keys);
  }

  /** `size` is that of a checkpoint that covers the position. */
  raw(position: number, size: number): Promise<RawRecord> {
    const index = Math.floor(position / tileWidth);
    const width = widthOf(size, 0, index);
    const bundle = `${index}/${width}`;
    const inOrder = Math.abs(position - this.#last) === 1;
    this.#last = position;
    if (inOrder || this.#bundles.has(bundle)) return this.#fromBundle(position, index, width);
    return this.#records.get(`${position}/${width}`, () => this.#alone(position, index, width));
  }

  /** Hashes of the tree of `size` entries, for proofs. */
  rangeHash(size: number): RangeHash {
    return this.#tree.rangeHash(size);
  }

  async #fromBundle(position: number, index: number, width: number): Promise<RawRecord> {
    const { entries, openings } = await this.#bundles.get(`${index}/${width}`, () =>
      this.#bundle(index, width),
    );
    const entry = entries[position % tileWidth];
    const opening = openings[position % tileWidth];
    if (!entry || !opening) throw new ProvenanceError('record-unknown', `the log has no record ${position}`);
    return { position, entry, opening };
  }

  async #bundle(index: number, width: number): Promise<Bundle> {
    const [entries, openings] = await Promise.all([
      firstEntries(this.#storage, index, width),
      firstOpenings(this.#storage, index, width),
    ]);
    return { entries, openings };
  }

  async #alone(position: number, index: number, width: number): Promise<RawRecord> {
    const head = await this.#heads.get(`${index}/${width}`, () => this.#head(index));
    const at = position % tileWidth;
    const [inBundle, inFile] = at < width ? [head?.entry(at), head?.opening(at)] : [];
    if (!inBundle || !inFile) return this.#fromBundle(position, index, width);
    const [entry, opening] = await Promise.all([
      this.#entry(index, width, inBundle),
      this.#part(openingsPath(index), inFile, openingLengthBytes),
    ]);
    return entry && opening ? { position, entry, opening } : this.#fromBundle(position, index, width);
  }

  async #head(index: number): Promise<OpeningsHead | undefined> {
    const bytes = await this.#storage.readPart(openingsPath(index), 0, maxHeadBytes);
    return bytes && OpeningsHead.in(bytes);
  }

  /** A partial bundle may have given way to its full version since the checkpoint was read. */
  async #entry(index: number, width: number, extent: Extent): Promise<Uint8Array | undefined> {
    return (
      (await this.#part(bundlePath(index, width), extent, entryLengthBytes)) ??
      this.#part(bundlePath(index, tileWidth), extent, entryLengthBytes)
    );
  }

  /** undefined: not there, or not as the head says; whoever reads the whole file finds out more. */
  async #part(path: string, extent: Extent, lengthBytes: LengthBytes): Promise<Uint8Array | undefined> {
    const bytes = await this.#storage.readPart(path, extent.start - lengthBytes, extent.end);
    const length = extent.end - extent.start;
    if (bytes?.length !== lengthBytes + length || asBuffer(bytes).readUIntBE(0, lengthBytes) !== length)
      return undefined;
    return bytes.subarray(lengthBytes);
  }
}

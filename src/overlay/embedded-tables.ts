import { readFileSync } from 'node:fs';
import { type Database, open, type RootDatabase } from 'lmdb';
import { type DocumentKind, documentKinds } from './documents.ts';
import { openMarks } from './embedded-import.ts';
import { OverlayError } from './errors.ts';

export type Table = Database<Buffer, Buffer>;
export type Marks = Database<string, string>;
export type Root = RootDatabase<Buffer, string>;

interface OpenTables {
  readonly root: Root;
  readonly documents: ReadonlyMap<DocumentKind, Table>;
  readonly terms: Table;
  readonly due: Table;
  readonly marks: Marks;
}

/** Address space, neither memory nor disk: room for some 50 million identities before the map has to grow. */
const mapBytes = 2 ** 36;
/** Around what is touched Linux maps up to so much (fault_around_bytes). */
const faultBytes = 2 ** 16;
/** Of `maxMappedBytes`: what may be mapped at most between two looks at how much it is. */
const shareBetweenLooks = 0.125;
/** Of most kinds there are more. */
const rowsOnPage = 8;
const mappedField = 'RssFile:';

/**
 * The LMDB tables of the embedded store. Pages of the file that this process has touched count as its memory for as
 * long as they are mapped: once they are more than `maxMappedBytes`, the file is closed and opened again.
 */
export class EmbeddedTables {
  readonly #directory: string;
  readonly #maxMappedBytes: number;
  #open: OpenTables | undefined;
  #touches = 0;
  /** Of other files, when this one was opened. */
  #mappedBefore: number;

  /** Throws LMDB's error. */
  constructor(directory: string, maxMappedBytes: number) {
    this.#directory = directory;
    this.#maxMappedBytes = maxMappedBytes;
    this.#mappedBefore = mappedBytes();
    this.#open = openTables(directory);
  }

  get root(): Root {
    return this.#tables().root;
  }

  of(kind: DocumentKind): Table {
    const documents = this.#tables().documents.get(kind);
    if (!documents) throw new OverlayError('store-corrupt', `there are no documents of kind ${kind}`);
    return documents;
  }

  /** Hash of kind and term -> key, one entry for each. */
  get terms(): Table {
    return this.#tables().terms;
  }

  /** Kind, time, key. A document's own time may be later than its entry: moved when the entry comes up. */
  get due(): Table {
    return this.#tables().due;
  }

  /** What the directory says about itself. */
  get marks(): Marks {
    return this.#tables().marks;
  }

  /** Whether it is time for `mapAnew`. */
  get isWorn(): boolean {
    if (this.#touches * faultBytes < this.#maxMappedBytes * shareBetweenLooks) return false;
    this.#touches = 0;
    return mappedBytes() - this.#mappedBefore >= this.#maxMappedBytes;
  }

  /** Rows lie on pages that may be anywhere in the file. */
  walked(rows: number): void {
    this.#touches += rows / rowsOnPage;
  }

  /** Between two transactions. Whoever holds a table or walks through one must have it from after that. */
  async mapAnew(): Promise<void> {
    const { root } = this;
    try {
      await root.flushed;
    } catch {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
    this.#open = undefined;
    // At once, or, should the disk not be done yet, later: until then a new door leads to the same map.
    root.close().catch(() => {});
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    const { root } = this.#open;
    await root.flushed;
    await root.close();
  }

  /** Throws OverlayError `store-unavailable` when the file cannot be opened again; the next one tries again. */
  #tables(): OpenTables {
    this.#touches++;
    if (this.#open) return this.#open;
    try {
      this.#mappedBefore = mappedBytes();
      this.#open = openTables(this.#directory);
    } catch (cause) {
      throw new OverlayError(
        'store-unavailable',
        'the overlay store cannot be opened again; see that its disk has room and the gateway may read and write it',
        { cause },
      );
    }
    return this.#open;
  }
}

function openTables(directory: string): OpenTables {
  const root = open<Buffer, string>({
    path: directory,
    noSubdir: false,
    // The tables of the first format are there until they are taken over.
    maxDbs: 2 * documentKinds.length + 5,
    encoding: 'binary',
    // Its batches answer with promises of their own, which would fail unseen when the disk is full.
    eventTurnBatching: false,
    // Growing beyond it, LMDB maps the file once more and keeps the old map, with all the pages in it.
    mapSize: mapBytes,
  });
  return {
    root,
    documents: new Map(documentKinds.map((kind) => [kind, openTable(root, kind)])),
    terms: openTable(root, 'terms', true),
    due: openTable(root, 'due'),
    marks: openMarks(root),
  };
}

function openTable(root: Root, name: string, dupSort = false): Table {
  return root.openDB({ name: `2.${name}`, encoding: 'binary', keyEncoding: 'binary', dupSort });
}

/** Of all files, in memory; 0 where the kernel does not say it. */
function mappedBytes(): number {
  if (process.platform !== 'linux') return 0;
  const status = readFileSync('/proc/self/status', 'latin1');
  const at = status.indexOf(mappedField);
  return at < 0 ? 0 : Number.parseInt(status.slice(at + mappedField.length), 10) * 1_024;
}

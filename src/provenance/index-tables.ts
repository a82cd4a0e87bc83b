import { type Database, open, type RootDatabase } from 'lmdb';
import { asBuffer } from '../base/index.ts';
import { type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import { sha256Latin1 } from './digest.ts';
import { type PlaceKind, type Tag, tagFrom } from './index-places.ts';

export type Table = Database<Buffer, Buffer>;

const callKeyBytes = 16;
const maxRememberedEvents = 1_000;
/** Of earlier versions. */
const formerTables = ['ids', 'identity', 'call', 'event'];

interface OpenTables {
  readonly root: RootDatabase<Buffer, Buffer>;
  readonly heads: Table;
  readonly calls: Table;
  readonly places: Table;
  readonly times: Table;
  readonly nodes: Table;
}

/** The LMDB tables of the index and the forms of their keys. */
export class IndexTables {
  readonly #directory: string;
  readonly #readOnly: boolean;
  #open: OpenTables;
  /** Of events, outcomes and words of intents, each in its own map. */
  readonly #tags: Readonly<Record<'' | 'outcome ' | 'intent ', Map<string, Tag>>> = {
    '': new Map(),
    'outcome ': new Map(),
    'intent ': new Map(),
  };

  constructor(directory: string, readOnly: boolean) {
    this.#directory = directory;
    this.#readOnly = readOnly;
    this.#open = openTables(directory, readOnly);
  }

  get root(): RootDatabase<Buffer, Buffer> {
    return this.#open.root;
  }

  /** Fingerprint -> newest record of the identity. */
  get heads(): Table {
    return this.#open.heads;
  }

  /** Call -> the call, while it is open. */
  get calls(): Table {
    return this.#open.calls;
  }

  /** Segment and bucket -> where its tags occur (`Places`). */
  get places(): Table {
    return this.#open.places;
  }

  /** Bundle -> earliest and latest time of its records. */
  get times(): Table {
    return this.#open.times;
  }

  /** Node -> position of the record that opened its run. */
  get nodes(): Table {
    return this.#open.nodes;
  }

  /**
   * Pages of the file that this process has touched count as its memory, each that is written for as long as it is mapped
   * (`bench/calls.ts`). While nothing is being written; false when somebody walks through a table, which `walked` says. Look-ups notice nothing: nothing
   * here waits for the disk, so that no turn of the event loop comes between closing and opening.
   */
  async mapAnew(walked: () => boolean): Promise<boolean> {
    await this.root.flushed;
    await new Promise((resolve) => setImmediate(resolve));
    if (walked()) return false;
    await this.root.close();
    this.#open = openTables(this.#directory, this.#readOnly);
    return true;
  }

  /** Empties every table; what the root says of them stays. */
  clear(): void {
    const { heads, calls, places, times, nodes } = this;
    for (const table of [heads, calls, places, times, nodes]) table.clearSync();
    for (const name of formerTables) tableIn(this.root, name).dropSync();
  }

  identityKey(fingerprint: Fingerprint): Buffer {
    return asBuffer(fingerprintBytes(fingerprint));
  }

  callTag(id: string): Tag {
    return digestTag('call', id);
  }

  eventTag(event: string): Tag {
    return this.#tag('', event);
  }

  /** No event has a space in its name. */
  outcomeTag(outcome: string): Tag {
    return this.#tag('outcome ', outcome);
  }

  intentTag(word: string): Tag {
    return this.#tag('intent ', word);
  }

  #tag(before: '' | 'outcome ' | 'intent ', text: string): Tag {
    const tags = this.#tags[before];
    let tag = tags.get(text);
    if (!tag) {
      tag = digestTag('event', before + text);
      if (tags.size >= maxRememberedEvents) tags.clear();
      tags.set(text, tag);
    }
    return tag;
  }
}

/**
 * Documented by `lmdb`, not in its types. A look-up whose page is on the disk alone would wait for all that the kernel reads
 * around it, 8 MB on some machines (`bench/provenance.ts`).
 */
const placesLieApart = { noReadAhead: true };

function openTables(directory: string, readOnly: boolean): OpenTables {
  const root = open<Buffer, Buffer>({
    path: directory,
    keyEncoding: 'binary',
    encoding: 'binary',
    readOnly,
    ...placesLieApart,
    maxDbs: 16,
  });
  return {
    root,
    heads: tableIn(root, 'heads'),
    calls: tableIn(root, 'calls'),
    places: tableIn(root, 'places'),
    times: tableIn(root, 'times'),
    nodes: tableIn(root, 'nodes'),
  };
}

function tableIn(root: RootDatabase<Buffer, Buffer>, name: string): Table {
  return root.openDB({ name, keyEncoding: 'binary', encoding: 'binary' });
}

/** Call ids come from the network and may be long: their digest keeps keys short. */
export function callKey(id: string): Buffer {
  return Buffer.from(sha256Latin1(id).slice(0, callKeyBytes), 'latin1');
}

function digestTag(kind: PlaceKind, text: string): Tag {
  return tagFrom(kind, callKey(text));
}

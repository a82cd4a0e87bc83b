import { type Database, open, type RootDatabase } from 'lmdb';
import { asBuffer } from '../base/index.ts';
import { type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import { sha256Latin1 } from './digest.ts';
import { type PlaceKind, type Tag, tagFrom } from './index-places.ts';

export type Table = Database<Buffer, Buffer>;

const callKeyBytes = 16;
const maxRememberedIdentities = 10_000;
const maxRememberedEvents = 1_000;
/** Of earlier versions. */
const formerTables = ['ids', 'identity', 'call', 'event'];

/** The LMDB tables of the index and the forms of their keys. */
export class IndexTables {
  readonly root: RootDatabase<Buffer, Buffer>;
  /** Fingerprint -> newest record of the identity. */
  readonly heads: Table;
  /** Call -> the call, while it is open. */
  readonly calls: Table;
  /** Segment and bucket -> where its tags occur (`Places`). */
  readonly places: Table;
  /** Bundle -> earliest and latest time of its records. */
  readonly times: Table;
  /** Node -> position of the record that opened its run. */
  readonly nodes: Table;
  readonly #identityKeys = new Map<Fingerprint, Buffer>();
  readonly #eventTags = new Map<string, Tag>();

  constructor(directory: string, readOnly: boolean) {
    this.root = open<Buffer, Buffer>({
      path: directory,
      keyEncoding: 'binary',
      encoding: 'binary',
      readOnly,
      maxDbs: 16,
    });
    this.heads = this.#table('heads');
    this.calls = this.#table('calls');
    this.places = this.#table('places');
    this.times = this.#table('times');
    this.nodes = this.#table('nodes');
  }

  /** Empties every table; what the root says of them stays. */
  clear(): void {
    const { heads, calls, places, times, nodes } = this;
    for (const table of [heads, calls, places, times, nodes]) table.clearSync();
    for (const name of formerTables) this.#table(name).dropSync();
  }

  /** Decoding base32 costs as much as a write: the same identities come again and again. */
  identityKey(fingerprint: Fingerprint): Buffer {
    let key = this.#identityKeys.get(fingerprint);
    if (!key) {
      key = asBuffer(fingerprintBytes(fingerprint));
      if (this.#identityKeys.size >= maxRememberedIdentities) this.#identityKeys.clear();
      this.#identityKeys.set(fingerprint, key);
    }
    return key;
  }

  callTag(id: string): Tag {
    return digestTag('call', id);
  }

  eventTag(event: string): Tag {
    let tag = this.#eventTags.get(event);
    if (!tag) {
      tag = digestTag('event', event);
      if (this.#eventTags.size >= maxRememberedEvents) this.#eventTags.clear();
      this.#eventTags.set(event, tag);
    }
    return tag;
  }

  /** No event has a space in its name. */
  outcomeTag(outcome: string): Tag {
    return this.eventTag(`outcome ${outcome}`);
  }

  intentTag(word: string): Tag {
    return this.eventTag(`intent ${word}`);
  }

  #table(name: string): Table {
    return this.root.openDB({ name, keyEncoding: 'binary', encoding: 'binary' });
  }
}

/** Call ids come from the network and may be long: their digest keeps keys short. */
export function callKey(id: string): Buffer {
  return Buffer.from(sha256Latin1(id).slice(0, callKeyBytes), 'latin1');
}

function digestTag(kind: PlaceKind, text: string): Tag {
  return tagFrom(kind, callKey(text));
}

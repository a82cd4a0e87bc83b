import { type Database, open, type RootDatabase } from 'lmdb';
import { asBuffer } from '../base/index.ts';
import { type Fingerprint, fingerprintBytes } from '../tokens/index.ts';
import { sha256Latin1 } from './digest.ts';

export type Table = Database<Buffer, Buffer>;

/**
 * Bytes of an id or fingerprint in a key: nobody can make two that agree so far, and every record that is found is
 * held against the whole value.
 */
export const idKeyBytes = 16;
const maxRememberedIdentities = 10_000;

/** The LMDB tables of the index and the forms of their keys. */
export class IndexTables {
  readonly root: RootDatabase<Buffer, Buffer>;
  /** Fingerprint -> newest record of the identity. */
  readonly heads: Table;
  /** Call -> the call, while it is open. */
  readonly calls: Table;
  /** Record id -> position. */
  readonly ids: Table;
  /**
   * Fingerprint, call id, or event (also outcome, word of an intent), each with a bundle behind it -> the places of
   * its records in that bundle, a byte each.
   */
  readonly byIdentity: Table;
  readonly byCall: Table;
  readonly byEvent: Table;
  /** Bundle -> earliest and latest time of its records. */
  readonly times: Table;
  /** Node -> position of the record that opened its run. */
  readonly nodes: Table;
  readonly #identityKeys = new Map<Fingerprint, Buffer>();

  constructor(directory: string, readOnly: boolean) {
    this.root = open<Buffer, Buffer>({
      path: directory,
      keyEncoding: 'binary',
      encoding: 'binary',
      readOnly,
      maxDbs: 16,
    });
    const table = (name: string): Table =>
      this.root.openDB({ name, keyEncoding: 'binary', encoding: 'binary' });
    this.heads = table('heads');
    this.calls = table('calls');
    this.ids = table('ids');
    this.byIdentity = table('identity');
    this.byCall = table('call');
    this.byEvent = table('event');
    this.times = table('times');
    this.nodes = table('nodes');
  }

  /** Empties every table; what the root says of them stays. */
  clear(): void {
    const { heads, calls, ids, byIdentity, byCall, byEvent, times, nodes } = this;
    for (const table of [heads, calls, ids, byIdentity, byCall, byEvent, times, nodes]) table.clearSync();
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

  identityPrefix(fingerprint: Fingerprint): Buffer {
    return this.identityKey(fingerprint).subarray(0, idKeyBytes);
  }
}

/** Call ids come from the network and may be long: their digest keeps keys short. */
export function callKey(id: string): Buffer {
  return digestOf(id, idKeyBytes);
}

export function eventPrefix(event: string): Buffer {
  return digestOf(event, 8);
}

function digestOf(text: string, length: number): Buffer {
  return Buffer.from(sha256Latin1(text).slice(0, length), 'latin1');
}

/** No event has a space in its name: outcomes and words share the table of events. */
export function outcomePrefix(outcome: string): Buffer {
  return eventPrefix(`outcome ${outcome}`);
}

export function intentPrefix(word: string): Buffer {
  return eventPrefix(`intent ${word}`);
}

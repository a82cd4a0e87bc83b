import { encodeBase64Url, encodeHex } from '../base/index.ts';
import type { SigningKey } from '../tokens/index.ts';
import { sha256 } from './digest.ts';
import { jsonValue } from './export.ts';
import { isLayer } from './layer.ts';
import type { RecordId, StoredRecord } from './record.ts';

/** A record in the field names of draft-vandemeent-tibet-provenance. */
export interface TibetToken {
  readonly token_id: RecordId;
  readonly version: '1.0';
  readonly type: 'action' | 'response' | 'decision' | 'observation' | 'transition';
  readonly timestamp: string;
  readonly actor: string;
  readonly erin: unknown;
  readonly eraan: readonly string[];
  readonly eromheen: unknown;
  readonly erachter: string;
  /** Ours, and not of the draft: who signed for a call. Bytes are base64url. */
  readonly intent_token?: unknown;
  readonly parent_id: RecordId | null;
  readonly parent_hash: string | null;
  readonly state: 'created' | 'resolved';
  /** `sha256:` and the hex SHA-256 of the RFC 8785 form of the token without `hash` and `signature`. */
  readonly hash: string;
  /** Ed25519 over the text of `hash`, base64url; absent when the exporter was given no key. */
  readonly signature?: string;
}

/** The actor of a record whose caller was erased. */
const redactedActor = 'erased';

/** Hashes of exported tokens that later ones may name as their parent. */
const maxRememberedHashes = 100_000;

/** Turns records, in log order, into TIBET JSON tokens that are chained by hash among themselves. */
export class TibetExporter {
  readonly #signer: SigningKey | undefined;
  readonly #hashes = new Map<RecordId, string>();

  constructor(signer?: SigningKey) {
    this.#signer = signer;
  }

  token(record: StoredRecord): TibetToken {
    const { erin, eraan } = record;
    const parents = textsOf(eraan['parents']);
    const previous = eraan['previous'];
    const parent = typeof previous === 'string' ? previous : parents[0];
    const body = {
      token_id: record.id,
      version: '1.0' as const,
      type: typeOf(record),
      timestamp: new Date(record.timeMs).toISOString(),
      actor: actorOf(record),
      erin: jsonValue(erin),
      eraan: [
        ...new Set([...(parent === undefined ? [] : [parent]), ...parents, ...textsOf(eraan['tokens'])]),
      ],
      eromheen: jsonValue(record.eromheen),
      erachter: record.erachter,
      ...(record.signed && { intent_token: jsonValue(record.signed) }),
      parent_id: parent ?? null,
      parent_hash: (parent !== undefined && this.#hashes.get(parent)) || null,
      state: record.call?.phase === 'close' ? ('resolved' as const) : ('created' as const),
    };
    const hash = `sha256:${encodeHex(sha256(Buffer.from(canonicalJson(body))))}`;
    if (this.#hashes.size >= maxRememberedHashes) this.#hashes.clear();
    this.#hashes.set(record.id, hash);
    if (!this.#signer) return { ...body, hash };
    return { ...body, hash, signature: encodeBase64Url(this.#signer.sign(Buffer.from(hash))) };
  }
}

function typeOf({ event, call }: StoredRecord): TibetToken['type'] {
  if (event.endsWith('.refusal')) return 'decision';
  if (call?.phase === 'progress' || call?.phase === 'answer') return 'response';
  if (call?.phase === 'close') return 'transition';
  return call?.phase === 'attempt' || event.startsWith('registration.') ? 'action' : 'observation';
}

/** Who did it: by name where the record has one, else by fingerprint; never the one who was called. */
function actorOf({ erin, parties, node, redacted }: StoredRecord): string {
  const name = erin['caller'] ?? erin['identity'];
  if (typeof name === 'string') return name;
  const actor = parties.find(({ role }) => role !== 'callee');
  return actor?.fingerprint ?? (redacted.length > 0 ? redactedActor : node);
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** RFC 8785 for what records hold: text, integers, booleans, null, arrays, objects. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isLayer(value)) return JSON.stringify(value);
  const fields = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`;
}

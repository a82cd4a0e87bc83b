import { encodeBase32, equal } from './bytes.ts';
import { type Cbor, decodeCbor, Expect } from './cbor.ts';
import { encodeCommitmentInput } from './commitment.ts';
import { hashBytes, sha256 } from './crypto.ts';
import { VerifyError } from './error.ts';
import { leafHash } from './merkle.ts';
import { layerMeanings } from './words.ts';

// docs/audit-format.md, "Record": statement, opening.

const layerNames = ['erin', 'eraan', 'eromheen', 'erachter'] as const;
type LayerName = (typeof layerNames)[number];
const label = { version: 1, node: 2, layers: 3, parties: 4, nodeKey: 5, nodeToken: 6 } as const;
const statementForm = new Expect('entry', 'the statement of a record');
const openingForm = new Expect('opening', 'the opening of a record');

/** A layer or a part of one, as plain values. */
export type Layer = Readonly<Record<string, unknown>>;

/** The public face of a record: commitments, and who logged it. */
export interface Statement {
  /** Leaf hash of its bytes: the record's id. */
  readonly id: Uint8Array;
  readonly node: Uint8Array;
  readonly layers: readonly Uint8Array[];
  readonly parties: readonly Uint8Array[];
  /** In the record that opens a node's run. */
  readonly nodeKey: Uint8Array | undefined;
}

export interface ProvedParty {
  readonly fingerprint: string;
  readonly role: string;
  /** Which record of this identity it is, from 1. */
  readonly seq: number;
  /** The id of the identity's record before this one. */
  readonly prev: string | undefined;
  readonly details: Layer | undefined;
}

/** What an opening says, held against the statement's commitments; undefined or missing: erased or withheld. */
export interface OpenedRecord {
  readonly event: string | undefined;
  readonly time: string | undefined;
  readonly intent: string | undefined;
  readonly call: { readonly id: string; readonly phase: string } | undefined;
  /** The call's record before this one, by id. */
  readonly previous: string | undefined;
  readonly erin: Layer | undefined;
  readonly eraan: Layer | undefined;
  readonly eromheen: Layer | undefined;
  readonly erachter: Layer | undefined;
  readonly parties: readonly ProvedParty[];
  /** Names of the layers, and `party 0` and so on, that the opening no longer opens. */
  readonly erased: readonly string[];
}

/** Throws VerifyError `entry`. */
export function decodeStatement(bytes: Uint8Array): Statement {
  const map = statementForm.map(decodeCbor(bytes, 'entry'));
  for (const key of map.keys())
    if (!Object.values<number | string>(label).includes(key))
      throw new VerifyError(
        'entry',
        'the statement of a record has a field that this verifier does not know',
      );
  if (map.get(label.version) !== 1) throw new VerifyError('entry', 'the statement is of another version');
  const hashes = (value: Cbor | undefined, length?: number): readonly Uint8Array[] =>
    statementForm.array(value, length).map((hash) => statementForm.bytes(hash, hashBytes));
  return {
    id: leafHash(bytes),
    node: statementForm.bytes(map.get(label.node), hashBytes),
    layers: hashes(map.get(label.layers), layerNames.length),
    parties: hashes(map.get(label.parties)),
    nodeKey: map.has(label.nodeKey) ? statementForm.bytes(map.get(label.nodeKey), 32) : undefined,
  };
}

/** Throws VerifyError `opening` unless everything that is opened is what the statement committed to. */
export function openRecord(statement: Statement, opening: Uint8Array): OpenedRecord {
  const [version, layers, parties] = openingForm.array(decodeCbor(opening, 'opening'), 3);
  if (version !== 1) throw new VerifyError('opening', 'the opening is of another version');
  const opened = openingForm.array(layers, layerNames.length);
  const openedParties = openingForm.array(parties, statement.parties.length);
  const [erin, eraan, eromheen, erachter] = layerNames.map((name, at) =>
    openItem(name, statement.layers[at], opened[at]),
  );
  const partyLayers = openedParties.map((item, at) => openItem('party', statement.parties[at], item));
  const erasedLayers: readonly (LayerName | '')[] = layerNames.map((name, at) =>
    opened[at] === null ? name : '',
  );
  return {
    event: text(erin?.['event']),
    time: text(eromheen?.['time']),
    intent: text(erachter?.['intent']),
    call: callOf(erin),
    previous: text(eraan?.['previous']),
    erin: withOwned(erin, partyLayers, 'erin'),
    eraan,
    eromheen: withOwned(eromheen, partyLayers, 'eromheen'),
    erachter,
    parties: partyLayers.flatMap((layer) => (layer ? [partyOf(layer)] : [])),
    erased: [
      ...erasedLayers.filter((name) => name !== ''),
      ...partyLayers.flatMap((layer, at) => (layer ? [] : [`party ${at}`])),
    ],
  };
}

/** One layer or party: undefined when it was erased. */
function openItem(
  name: string,
  commitment: Uint8Array | undefined,
  item: Cbor | undefined,
): Layer | undefined {
  if (item === null) return undefined;
  const [salt, encoding] = openingForm.array(item, 2).map((part) => openingForm.bytes(part));
  if (salt?.length !== 32 || !encoding) throw new VerifyError('opening', 'a salt has another length');
  if (!equal(sha256(encodeCommitmentInput(name, salt, encoding)), commitment))
    throw new VerifyError(
      'opening',
      name === 'party'
        ? 'what it says about one party was changed'
        : `its layer ${name.toUpperCase()} was changed: ${layerMeanings[name] ?? 'it'} is not what was logged`,
    );
  const value = plain(decodeCbor(encoding, 'opening'));
  if (!isLayer(value)) throw new VerifyError('opening', `its ${name} is no map`);
  return value;
}

/** A common layer together with what belongs to one party and is erased with it. */
function withOwned(
  layer: Layer | undefined,
  parties: readonly (Layer | undefined)[],
  name: 'erin' | 'eromheen',
): Layer | undefined {
  let whole = layer;
  for (const party of parties) {
    const owned = party?.[name];
    if (isLayer(owned)) whole = { ...whole, ...owned };
  }
  return whole;
}

function callOf(erin: Layer | undefined): OpenedRecord['call'] {
  const [id, phase] = [text(erin?.['call']), text(erin?.['phase'])];
  return id !== undefined && phase !== undefined ? { id, phase } : undefined;
}

/** A party that somebody else than the operator opens. Throws VerifyError `opening`. */
export function openParty(
  commitment: Uint8Array | undefined,
  salt: Uint8Array,
  encoding: Uint8Array,
): ProvedParty {
  const layer = openItem('party', commitment, [salt, encoding]);
  if (!layer) throw new VerifyError('opening', 'a party is missing');
  return partyOf(layer);
}

function partyOf(layer: Layer): ProvedParty {
  const { fingerprint, role, seq, prev, details } = layer;
  if (!(fingerprint instanceof Uint8Array) || typeof role !== 'string' || typeof seq !== 'number')
    throw new VerifyError('opening', 'a party has another form');
  return {
    fingerprint: encodeBase32(fingerprint),
    role,
    seq,
    prev: prev instanceof Uint8Array ? encodeBase32(prev) : undefined,
    details: isLayer(details) ? details : undefined,
  };
}

export function isLayer(value: unknown): value is Layer {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function plain(value: Cbor): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Map)) return value;
  // Built from entries: a key named __proto__ stays a key.
  return Object.fromEntries(Array.from(value, ([key, item]) => [String(key), plain(item)]));
}

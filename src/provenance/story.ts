import { jsonValue } from './export.ts';
import type { PartyRole, StoredRecord } from './record.ts';

export interface StoryLayer {
  readonly name: 'ERIN' | 'ERAAN' | 'EROMHEEN' | 'ERACHTER';
  readonly meaning: string;
  readonly fields: readonly { readonly name: string; readonly value: unknown }[];
}

/** One record told for people: a sentence, then its four layers, then whom it is about. */
export interface RecordStory {
  /** Who did what, and when. */
  readonly headline: string;
  readonly layers: readonly StoryLayer[];
  readonly parties: readonly {
    readonly fingerprint: string;
    readonly role: PartyRole;
    /** "3rd record of this identity" and the id of the one before. */
    readonly seq: number;
    readonly prev: string | undefined;
    readonly details: unknown;
  }[];
}

export function tellRecord(record: StoredRecord): RecordStory {
  return {
    headline: headlineOf(record),
    layers: [
      { name: 'ERIN', meaning: 'what happened', fields: fieldsOf(record.erin) },
      { name: 'ERAAN', meaning: 'what it rests on', fields: fieldsOf(record.eraan) },
      { name: 'EROMHEEN', meaning: 'under which circumstances', fields: fieldsOf(record.eromheen) },
      { name: 'ERACHTER', meaning: 'with which intent', fields: fieldsOf({ intent: record.erachter }) },
    ],
    parties: record.parties.map(({ fingerprint, role, seq, prev, details }) => ({
      fingerprint,
      role,
      seq,
      prev,
      details: jsonValue(details),
    })),
  };
}

/** `jis:sensor-01` did X at Y. */
function headlineOf({ event, erin, parties, timeMs, node }: StoredRecord): string {
  const name = erin['caller'] ?? erin['identity'];
  const actor = typeof name === 'string' ? name : (parties[0]?.fingerprint ?? `node ${node}`);
  const target = typeof erin['callee'] === 'string' ? ` (to ${erin['callee']})` : '';
  return `${actor}: ${event}${target} at ${new Date(timeMs).toISOString()}`;
}

function fieldsOf(layer: Readonly<Record<string, unknown>>): StoryLayer['fields'] {
  return Object.entries(layer).map(([name, value]) => ({ name, value: jsonValue(value) }));
}

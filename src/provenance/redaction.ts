import type { Layer } from './layer.ts';
import type { RecordDraft } from './record.ts';

/** The event of the record that says that somebody was erased; it names nobody. */
export const redactionEvent = 'audit.redaction';

const defaultReason = 'erase what the log says about one party';

export function redactionDraft(slot: number, records: number, reason: string = defaultReason): RecordDraft {
  return {
    erin: { event: redactionEvent, slot, records },
    eraan: { parents: [] },
    eromheen: {},
    erachter: reason.trim() === '' ? defaultReason : reason,
    parties: [],
  };
}

/** The slot that a record says was erased; undefined for every other record. */
export function redactedSlot(event: string, erin: Layer): number | undefined {
  const slot = event === redactionEvent ? erin['slot'] : undefined;
  return typeof slot === 'number' ? slot : undefined;
}

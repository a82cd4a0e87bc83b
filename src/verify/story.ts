import type { ProvedRecord } from './proof.ts';
import type { Layer } from './record.ts';

/** One record in one sentence: who did what, and when. */
export interface StoryLine {
  /** RFC 3339, or undefined when the record's circumstances were erased. */
  readonly time: string | undefined;
  readonly text: string;
}

/** What a story needs of a record, whether it was proved or read from the operator's own log. */
export interface ToldRecord {
  readonly event: string | undefined;
  readonly time: string | undefined;
  readonly intent: string | undefined;
  /** Whether the caller's token is there: else nothing but the record says that its device signed. */
  readonly signed: boolean;
  readonly erin: Layer | undefined;
  readonly parties: readonly { readonly fingerprint: string; readonly role: string }[];
}

/** "`jis:sensor-01` called `jis:bob`", in the words of the parties themselves. */
export function tellStory(records: readonly ToldRecord[]): readonly StoryLine[] {
  return records.map((record) => ({ time: record.time, text: inOneDirection(sentence(record)) }));
}

/** Strangers chose the words: none of them turns what stands around it, so that a sentence reads otherwise than it is. */
export function inOneDirection(text: string): string {
  return text.replace(/[\p{Bidi_Control}\p{Zl}\p{Zp}]/gu, '\ufffd');
}

export function toldRecord({ opened }: ProvedRecord): ToldRecord {
  return {
    event: opened?.event,
    time: opened?.time,
    intent: opened?.intent,
    signed: opened?.erachter?.['signed'] !== undefined,
    erin: opened?.erin,
    parties: opened?.parties ?? [],
  };
}

/** Who vouched for the caller: never shown higher than it was. */
const assurances: readonly string[] = [
  'Nobody vouched for the caller.',
  'A password vouched for the caller.',
  "A certificate of the caller's device vouched for the caller.",
  "The caller's own device key signed the call.",
];

function sentence(record: ToldRecord): string {
  const { event, erin, intent } = record;
  if (event === undefined) return 'Something happened whose record was erased or is not shown.';
  const caller = name(record, 'caller');
  const callee = name(record, 'callee');
  const why = reason(erin);
  switch (event) {
    case 'call.attempt':
      return `${caller} called ${callee}${intent === undefined ? '' : `, declaring “${intent}”`}. ${vouched(record)}`;
    case 'call.ringing':
      return `${callee} rang.`;
    case 'call.answer':
      return `${callee} answered.`;
    case 'call.end':
      return `The call ended${talked(erin)}${by(erin)}.`;
    case 'call.cancel':
      return `${caller} gave up before anybody answered.`;
    case 'call.refusal':
      return `The call was refused${by(erin)}${why}.`;
    case 'call.failure':
      return `The call failed: ${field(erin, 'outcome') ?? 'no reason was recorded'}${why}.`;
    case 'registration.added':
      return `${subject(record)} registered a phone, and could be called there.`;
    case 'registration.refreshed':
      return `${subject(record)} confirmed the registration of a phone.`;
    case 'registration.removed':
      return `A phone of ${subject(record)} was registered no longer.`;
    case 'registration.refusal':
      return `${subject(record)} was refused a registration${why}.`;
    case 'audit.redaction':
      return `What the log said about one party was erased${intent === undefined ? '' : `: “${intent}”`}.`;
    case 'audit.key-succession':
      return 'The log was handed over to its next key.';
    case 'audit.node-revocation':
      return 'The key of a run of the gateway was revoked.';
    case 'audit.heads':
      return 'The log committed to the newest record of every identity.';
    case 'node.start':
      return 'A gateway began its run and published its key.';
    default:
      return otherwise(record, event);
  }
}

/** `registration.added` of `jis:alice`: "jis:alice: registration added". */
function otherwise(record: ToldRecord, event: string): string {
  const code = field(record.erin, 'code');
  const outcome = field(record.erin, 'outcome');
  const how = [outcome, code].filter((part) => part !== undefined).join(', ');
  return `${subject(record)}: ${event.replace('.', ' ')}${how === '' ? '' : ` (${how})`}${record.intent === undefined ? '' : ` — ${record.intent}`}.`;
}

function name(record: ToldRecord, role: 'caller' | 'callee'): string {
  const party = record.parties.find((one) => one.role === role);
  return field(record.erin, role) ?? shortened(party?.fingerprint) ?? `An erased ${role}`;
}

function subject(record: ToldRecord): string {
  const actor = record.parties.find(({ role }) => role !== 'callee');
  const named = ['identity', 'caller', 'asked', 'claimed'].map((key) => field(record.erin, key));
  return named.find((one) => one !== undefined) ?? shortened(actor?.fingerprint) ?? 'Somebody';
}

function shortened(fingerprint: string | undefined): string | undefined {
  return fingerprint === undefined ? undefined : `${fingerprint.slice(0, 12)}…`;
}

function vouched({ erin, signed }: ToldRecord): string {
  const level = erin?.['assurance'];
  const words = typeof level === 'number' ? assurances[level] : undefined;
  if (words === undefined) return 'The record does not say who vouched for the caller.';
  if (erin?.['signedBy'] === 'device' && !signed)
    return "By the record, the caller's own device key signed the call; its token is not shown.";
  return erin?.['signedBy'] === 'gateway' ? `${words} The gateway signed on the caller's behalf.` : words;
}

function talked(erin: Layer | undefined): string {
  const ms = erin?.['talkedMs'];
  if (typeof ms !== 'number' || ms === 0) return '';
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? ` after ${seconds} s` : ` after ${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function by(erin: Layer | undefined): string {
  const who = field(erin, 'by');
  return who === undefined ? '' : `, by the ${who}`;
}

function reason(erin: Layer | undefined): string {
  const status = erin?.['status'];
  const parts = [typeof status === 'number' ? String(status) : undefined, field(erin, 'reason')];
  const shown = parts.filter((part) => part !== undefined).join(' ');
  return shown === '' ? '' : ` (${shown})`;
}

function field(erin: Layer | undefined, key: string): string | undefined {
  const value = erin?.[key];
  return typeof value === 'string' ? value : undefined;
}

import { encodeHex } from './bytes.ts';
import type { Cosignature, SignedCheckpoint } from './checkpoint.ts';
import type { VerifyError } from './error.ts';
import type { ProvedRecord } from './proof.ts';
import type { Verdict, WitnessSeen } from './report.ts';
import type { SignedIntent } from './signed-intent.ts';
import { inOneDirection } from './story.ts';

// What a report says, in words.

/** The check that failed when something of this kind does not hold. */
export const failedCheck: Readonly<Record<VerifyError['code'], string>> = {
  format: 'Readable',
  vkey: 'Your key',
  policy: 'Your policy',
  checkpoint: 'Signed by the operator',
  signature: 'Signed by the operator',
  inclusion: 'In the log',
  entry: 'In the log',
  receipt: 'Sealed',
  opening: 'Contents',
  intent: 'Signed intent',
};

export function seenBy({ key, time }: Cosignature): WitnessSeen {
  return {
    name: key.name,
    algorithm: key.type === 'cosignature-ml-dsa-44' ? 'ML-DSA-44' : 'Ed25519',
    time: rfc3339(time),
  };
}

/** Without anybody's key. */
export const noKey = {
  summary: "Nothing says whose log this is: the operator's verifier key is missing.",
  open: [
    'Whether any of this is true: whoever made the file may have made up the log as well. Take the verifier key that the operator gave you, apart from this file, and check again with it.',
  ],
} as const;

/** What the file itself says of its signer, which anybody may write. */
export function unknownSigner({ origin, size, note: { signatures } }: SignedCheckpoint): string {
  const own = signatures.find(({ name }) => name === origin);
  const key = own ? `the key ${origin}+${encodeHex(own.keyId)}` : 'no key of that name';
  return `Not checked: you gave no verifier key. The file says of itself that it is of the log ${origin} with ${size} records, signed by ${key}`;
}

/** What the parts of a record are about, in words. */
export const layerMeanings: Readonly<Record<string, string>> = {
  erin: 'what happened',
  eraan: 'what it rests on',
  eromheen: 'the circumstances',
  erachter: 'the declared intent',
};

/** One sentence for all records that lack the same. */
export function erasures(records: readonly ProvedRecord[]): readonly string[] {
  const lacking = new Map<string, number[]>();
  for (const { opened, position } of records) {
    const parts = opened?.erased.map(partInWords).join(', ');
    if (parts === '') continue;
    const places = lacking.get(parts ?? '') ?? [];
    places.push(position);
    lacking.set(parts ?? '', places);
  }
  return Array.from(lacking, ([parts, places]) => {
    const which = `${places.length === 1 ? 'record' : 'the records'} ${ranges(places)}`;
    return parts === ''
      ? `The file does not say what ${which} ${places.length === 1 ? 'says' : 'say'}.`
      : `Of ${which} this was erased or withheld: ${parts}. That it was there is proved; what it said can be shown by nobody who has destroyed it.`;
  });
}

/** A name of a layer, or `party 0`. */
function partInWords(part: string): string {
  const meaning = layerMeanings[part];
  return meaning === undefined ? `what it says about ${part} alone` : `${meaning} (${part.toUpperCase()})`;
}

/** "5 to 9, 12": there may be thousands. */
function ranges(places: readonly number[]): string {
  const runs: { first: number; last: number }[] = [];
  for (const place of places.toSorted((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run && place === run.last + 1) run.last = place;
    else runs.push({ first: place, last: place });
  }
  return runs.map(({ first, last }) => (first === last ? `${first}` : `${first} to ${last}`)).join(', ');
}

export function summaryOf(verdict: Verdict, records: number, gaps: readonly string[]): string {
  const what = records === 1 ? 'The record is' : `All ${records} records are`;
  switch (verdict) {
    case 'GAP':
      return `${what} genuine, but ${gaps[0] ?? 'something is missing'}.`;
    case 'REDACTED':
      return `${what} genuine; a part was erased or is not shown.`;
    case 'WITNESSED':
      return `${what} genuine, and witnesses that you trust saw the same log.`;
    default:
      return `${what} genuine, on the word of the operator's log alone.`;
  }
}

export function proved(
  records: readonly ProvedRecord[],
  { origin, size }: SignedCheckpoint,
): readonly string[] {
  const places = records.map(({ position }) => position);
  const sealed = records.map(({ sealedAt }) => sealedAt).toSorted((a, b) => a - b);
  return [
    `The log ${origin}, of which the operator signed ${size} records, holds ${places.length === 1 ? `this record at place ${places[0]}` : `these records at the places ${ranges(places)}`}.`,
    `The gateway logged ${records.length === 1 ? 'it' : 'them'} ${sealed.length === 1 || sealed[0] === sealed.at(-1) ? `at ${rfc3339(sealed[0] ?? 0)}` : `between ${rfc3339(sealed[0] ?? 0)} and ${rfc3339(sealed.at(-1) ?? 0)}`}, by its clock, and has not been able to change or take back anything since.`,
  ];
}

/** What the tokens of calls prove: whose word the declared intents are. */
export function signedIntents(signed: readonly SignedIntent[]): {
  readonly says: string;
  readonly proved: readonly string[];
} {
  const [first] = signed;
  const own = signed.filter(({ by }) => by === 'caller');
  const sentence = ({ by, name, signer, intent, signedAt, forThisCall }: SignedIntent): string => {
    const who = `${inOneDirection(name)} (${signer.slice(0, 12)}…)`;
    const what = `“${inOneDirection(intent)}” ${forThisCall ? 'for this very call' : 'for a call whose addresses are not shown here in full'}, at ${rfc3339(signedAt)} by its own clock`;
    return by === 'caller'
      ? `The caller ${who} signed ${what}, with its own key.`
      : `A gateway, ${who}, signed ${what}, on behalf of the caller, whose own key signed nothing: that the caller declared it rests on the gateway's word.`;
  };
  if (first && signed.length === 1)
    return {
      says:
        first.by === 'caller'
          ? "The caller's own key signed the intent"
          : "A gateway signed the intent on the caller's behalf",
      proved: [sentence(first)],
    };
  const says = `Of ${signed.length} calls, ${own.length} were signed by the caller's own key, ${signed.length - own.length} by a gateway on the caller's behalf`;
  return { says, proved: [`${says}.`] };
}

/** What is signed may be any number. */
export function rfc3339(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? 'an impossible time' : `${date.toISOString().slice(0, 19)}Z`;
}

export function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

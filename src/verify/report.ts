import type { ProvedRecord } from './proof.ts';
import type { StoryLine } from './story.ts';

/**
 * WITNESSED: everything holds, and enough witnesses that the auditor trusts saw the same log. UNWITNESSED: everything
 * holds, but nobody except the operator says that there is only one log. REDACTED: everything holds, but something was
 * erased or is not shown. GAP: what is there holds, but something that belongs to it is missing. INVALID: something is
 * false. The worst that applies is the verdict.
 */
export type Verdict = 'WITNESSED' | 'UNWITNESSED' | 'REDACTED' | 'GAP' | 'INVALID';

export interface Check {
  readonly name: string;
  /** undefined: it could not be checked. */
  readonly ok: boolean | undefined;
  readonly says: string;
}

export interface WitnessSeen {
  readonly name: string;
  readonly algorithm: 'Ed25519' | 'ML-DSA-44';
  /** RFC 3339: when it saw this state of the log. */
  readonly time: string;
}

/** What an auditor gets to read. */
export interface Report {
  /** UNCHECKED, no verdict: nobody's key was given, so that nothing says whose log it is. */
  readonly verdict: Verdict | 'UNCHECKED';
  /** One sentence. */
  readonly summary: string;
  readonly about: 'records' | 'comparison' | 'checkpoint' | 'unreadable';
  readonly log: { readonly origin: string; readonly size: number } | undefined;
  readonly checks: readonly Check[];
  readonly witnesses: readonly WitnessSeen[];
  readonly records: readonly ProvedRecord[];
  readonly story: readonly StoryLine[];
  /** What is missing or wrong, in words. */
  readonly findings: readonly string[];
  readonly proved: readonly string[];
  /** What this file leaves open, and another could settle. */
  readonly open: readonly string[];
  /** What no file could ever prove. */
  readonly never: readonly string[];
}

export const neverProved: readonly string[] = [
  'That a person meant the intent that was declared. The log proves that it was declared before the call was put through.',
  'That no call was made outside this gateway. What never passed it leaves nothing here.',
  'That the phone was in the hands of its owner. A stolen, unlocked phone signs like its owner does.',
  'What was said. The log keeps no voice.',
];

export const verdictMeanings: Readonly<Record<Verdict, string>> = {
  WITNESSED: 'Everything holds, and witnesses that you trust saw the same log.',
  UNWITNESSED:
    'Everything holds. That the operator keeps no second log for others, nobody but the operator says.',
  REDACTED: 'Everything that is shown holds. Something was erased or is not shown.',
  GAP: 'Everything that is shown holds. Something that belongs to it is missing.',
  INVALID: 'This is not what the log holds, or the log is not one log.',
};

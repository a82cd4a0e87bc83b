/** What can be wrong with a log: the closed set that tools may branch on. */
export type ProblemKind =
  | 'vkey'
  | 'checkpoint'
  | 'root'
  | 'entry'
  | 'entry-missing'
  | 'bundle'
  | 'tile'
  | 'opening'
  | 'statement'
  | 'receipt'
  | 'party-key'
  | 'receipt-missing'
  | 'time'
  | 'heads'
  | 'sequence'
  | 'call'
  | 'parent'
  | 'intent'
  | 'journal'
  | 'unexpected-file';

/** One finding: the file and, where it can be told, the record. */
export interface Problem {
  readonly kind: ProblemKind;
  readonly message: string;
  readonly file: string | undefined;
  /** Position in the log, from 0. */
  readonly record: number | undefined;
}

export interface LogVerdict {
  readonly valid: boolean;
  readonly problems: readonly Problem[];
  /** Problems beyond those that are listed. */
  readonly furtherProblems: number;
  /** What an auditor should know and what is no fault of the log. */
  readonly notes: readonly string[];
  readonly origin: string | undefined;
  /** Records under the signed checkpoint. */
  readonly size: number;
  /** Durable records behind it that only the journal holds. */
  readonly journaled: number;
  readonly identities: number;
  /** Records of which something was erased together with a party, as a redaction record says. */
  readonly redacted: number;
  /** Calls whose intent token is kept and holds: signed by the caller's own key, or by a gateway on its behalf. */
  readonly signedIntents: { readonly byCaller: number; readonly byGateway: number };
  /** Receipts of parties that were given and that the log keeps. */
  readonly receiptsKept: number;
  /** Calls without a closing record. */
  readonly openCalls: number;
  /** The key everything was checked against. */
  readonly vkey: string | undefined;
}

/** A damaged log can hold millions of faults; the first ones tell the story. */
export const maxListedProblems = 100;

export const notAccountedFor = 'neither checkpoint nor journal accounts for it';

export class Findings {
  readonly problems: Problem[] = [];
  readonly notes: string[] = [];
  further = 0;

  problem(
    kind: ProblemKind,
    message: string,
    at: { readonly file?: string; readonly record?: number } = {},
  ): void {
    if (this.problems.length >= maxListedProblems) this.further += 1;
    else this.problems.push({ kind, message, file: at.file, record: at.record });
  }

  note(message: string): void {
    this.notes.push(message);
  }
}

import { verifySignature } from '../tokens/index.ts';
import type { checkSignedIntent, VerifyError } from '../verify/index.ts';
import type { StoredRecord } from './record.ts';
import type { Findings } from './verdict.ts';

/** The auditor's verifier, which is loaded when a whole log is checked: no other command has to wait for it. */
export interface IntentRules {
  readonly checkSignedIntent: typeof checkSignedIntent;
  readonly VerifyError: typeof VerifyError;
}

/** Checks who signed for the calls of a log, by the rules of a proof file, with Node's Ed25519. */
export class IntentVerifier {
  readonly #rules: IntentRules;
  readonly #findings: Findings;
  #byCaller = 0;
  #byGateway = 0;
  #notKept = 0;

  constructor(rules: IntentRules, findings: Findings) {
    this.#rules = rules;
    this.#findings = findings;
  }

  get counts(): { readonly byCaller: number; readonly byGateway: number } {
    return { byCaller: this.#byCaller, byGateway: this.#byGateway };
  }

  check(record: StoredRecord, at: { readonly file: string; readonly record: number }): void {
    const { erin, eraan, erachter: intent, signed, parties, redacted } = record;
    const erachter = { signed };
    try {
      const found = this.#rules.checkSignedIntent(
        { erin, eraan, erachter, intent, parties },
        verifySignature,
      );
      if (found?.by === 'caller') this.#byCaller += 1;
      else if (found) this.#byGateway += 1;
      else if (erin['signedBy'] === 'device' && !redacted.includes('erachter')) this.#notKept += 1;
    } catch (error) {
      if (!(error instanceof this.#rules.VerifyError)) throw error;
      this.#findings.problem('intent', error.message, at);
    }
  }

  /** After the last record. */
  conclude(): void {
    if (this.#notKept > 0)
      this.#findings.note(
        `${this.#notKept} calls say that the caller's device signed, and only refer to its token: the phones hold it`,
      );
  }
}

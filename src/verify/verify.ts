import {
  cosignatures,
  type LogKey,
  lastCheckpoint,
  openSigned,
  parseCheckpoint,
  type SignedCheckpoint,
} from './checkpoint.ts';
import { compare, parseComparison } from './comparison.ts';
import { checkCompleteness } from './completeness.ts';
import { VerifyError } from './error.ts';
import { followHandOvers } from './hand-over.ts';
import { parseVkey } from './note.ts';
import { checkReceipts } from './party-receipts.ts';
import { type Policy, parsePolicy } from './policy.ts';
import { proveNodes, proveRecords } from './proof.ts';
import { parseProofFile, proofFormat } from './proof-file.ts';
import { type Check, neverProved, type Report, type Verdict, type WitnessSeen } from './report.ts';
import { checkSignedIntent } from './signed-intent.ts';
import { tellStory, toldRecord } from './story.ts';
import {
  erasures,
  failedCheck,
  noKey,
  proved,
  seenBy,
  signedIntents,
  summaryOf,
  unknownSigner,
  upper,
} from './words.ts';

/** Whom the auditor trusts. */
export interface Trust {
  /** Each with the keys that it was handed over to. */
  readonly logs: readonly LogKey[];
  readonly policy: Policy | undefined;
}

/**
 * `vkeys` is one verifier key a line; `policy` is a C2SP tlog-policy, whose logs count too; `handOvers` are
 * notes by which a log's key was handed over to the next one. Throws VerifyError `vkey` or `policy`.
 */
export function parseTrust(vkeys: string, policy?: string, handOvers: readonly string[] = []): Trust {
  const lines = vkeys.split(/\r?\n/).map((line) => line.trim());
  const parsed = policy === undefined || policy.trim() === '' ? undefined : parsePolicy(policy);
  const given = lines.filter((line) => line !== '' && !line.startsWith('#')).map(parseVkey);
  const logs = [...given, ...(parsed?.logs.map(({ key }) => key) ?? [])];
  if (logs.length === 0) throw new VerifyError('vkey', "the operator's verifier key is missing");
  return { logs: logs.flatMap((key) => followHandOvers(key, handOvers)), policy: parsed };
}

/**
 * Checks one file, whatever it is: a proof, a comparison, a checkpoint. Trusts `trust` alone; where that names no log, the
 * report is UNCHECKED at best. `receipts` are what a party of the records holds, if anything was given. Never throws VerifyError.
 */
export function verifyFile(text: string, trust: Trust, receipts?: string): Report {
  const verification = new Verification(trust, receipts);
  try {
    return verification.file(text);
  } catch (error) {
    if (error instanceof VerifyError) return verification.invalid(error);
    throw error;
  }
}

/** Collects what was checked on the way, so that a failure tells how far the file held. */
class Verification {
  readonly #trust: Trust;
  readonly #receipts: string | undefined;
  readonly #checks: Check[] = [];
  #log: Report['log'];
  #about: Report['about'] = 'unreadable';

  constructor(trust: Trust, receipts: string | undefined) {
    this.#trust = trust;
    this.#receipts = receipts;
  }

  file(text: string): Report {
    if (text.includes('\r\n'))
      throw new VerifyError(
        'format',
        'its line ends were changed on the way (CR LF): ask for the very bytes',
      );
    if (text.startsWith(proofFormat)) return this.#proof(text);
    if (text.trimStart().startsWith('{')) return this.#comparison(text);
    if (!text.includes('\n\u2014 '))
      throw new VerifyError(
        'format',
        'this is no proof, no checkpoint and no comparison of two states of a log',
      );
    return this.#checkpointFile(text);
  }

  invalid(error: VerifyError): Report {
    if (error.code === 'vkey') return this.#report('UNCHECKED', noKey.summary, {});
    const failed = { name: failedCheck[error.code], ok: false, says: upper(error.message) };
    return this.#report('INVALID', `${upper(error.message)}.`, {
      checks: [...this.#checks, failed],
      findings: [`${upper(error.message)}.`],
      open: ['Everything that the file says: believe nothing of it, and ask for another one.'],
    });
  }

  #proof(text: string): Report {
    this.#about = 'records';
    const file = parseProofFile(text);
    const checkpoint = this.#open(file.checkpoint);
    const witnesses = this.#witnesses(checkpoint);
    const nodes = proveNodes(file, checkpoint);
    const records = proveRecords(file, checkpoint, nodes);
    const many = records.length > 1;
    this.#passed(
      'In the log',
      `${many ? `All ${records.length} records lie` : 'The record lies'} in that log, unchanged`,
    );
    this.#passed(
      'Sealed',
      `${many ? 'Each' : 'It'} was signed by the gateway that logged it, under a key published there`,
    );
    const opened = records.filter(({ opened: one }) => one !== undefined);
    if (opened.length > 0)
      this.#passed('Contents', 'What is shown is what was committed to when it was logged');
    const signed = opened.flatMap(({ opened: one }) => (one && checkSignedIntent(one)) ?? []);
    const intents = signedIntents(signed);
    if (signed.length > 0) this.#passed('Signed intent', intents.says);
    const shown = records.map(({ id, opened: one }) => ({ id, parties: one?.parties ?? [] }));
    const held = checkReceipts(this.#receipts, shown, nodes, file.claim);
    const completeness = checkCompleteness(records, file.claim, file.head);
    const gaps = [...completeness.gaps, ...held.gaps];
    const [contradiction] = [...completeness.contradictions, ...held.contradictions];
    if (contradiction !== undefined) throw new VerifyError('entry', contradiction);
    if (file.claim)
      this.#checks.push({
        name: 'Complete',
        ok: gaps.length === 0,
        says: upper(gaps[0] ?? completeness.complete[0] ?? '').replace(/\.$/, ''),
      });
    const erased = erasures(records);
    const verdict: Verdict =
      gaps.length > 0
        ? 'GAP'
        : erased.length > 0
          ? 'REDACTED'
          : witnesses.enough
            ? 'WITNESSED'
            : 'UNWITNESSED';
    return this.#report(verdict, summaryOf(verdict, records.length, gaps), {
      witnesses: witnesses.seen,
      records,
      story: tellStory(records.toSorted((a, b) => a.position - b.position).map(toldRecord)),
      findings: [...gaps.map((gap) => `${upper(gap)}.`), ...erased],
      proved: [
        ...proved(records, checkpoint),
        ...(signed.length > 0 ? intents.proved : []),
        ...(gaps.length === 0 ? completeness.complete : []),
        ...(held.kept > 0 ? [`${held.kept} receipts that the parties hold name records that are here.`] : []),
        ...witnesses.proved,
      ],
      open: [
        ...(file.claim
          ? []
          : [
              'Whether other records of the same call or identity exist: this file claims nothing about them.',
            ]),
        ...(file.claim?.kind === 'identity'
          ? [
              file.head
                ? 'Whether the identity has newer records than the log had when it committed to its newest one.'
                : 'Whether the identity has newer records than the last one shown: its receipts would tell, or a proof with --head.',
            ]
          : []),
        ...(opened.some(
          ({ opened: one }) => one?.erin?.['signedBy'] === 'device' && !one.erachter?.['signed'],
        )
          ? [
              'Whether the caller’s device signed as the record says: the record names its intent token (ERAAN, tokens) and does not show it; the phones, which hold it, can.',
            ]
          : []),
        ...held.open,
        ...witnesses.open,
        'Whether the times are right: they are those of the gateway’s own clock.',
      ],
    });
  }

  #comparison(text: string): Report {
    this.#about = 'comparison';
    const comparison = parseComparison(text);
    const first = 'proofs' in comparison ? parseProofFile(comparison.proofs[0]).checkpoint : comparison.newer;
    this.#open(first);
    const { forked, says, older, newer } = compare(comparison, this.#trust.logs);
    this.#log = { origin: newer.origin, size: newer.size };
    this.#checks.push({ name: 'One history', ok: !forked, says });
    const witnesses = this.#witnesses(newer);
    if (forked)
      return this.#report('INVALID', says, {
        findings: [
          says,
          'Both states carry the signature of the same key: whoever holds this file can show it to anybody.',
        ],
        proved: ['That the holder of the log’s key signed two states of the log that cannot both be true.'],
        open: ['Which of the two histories is the true one, if any is.'],
      });
    return this.#report(witnesses.enough ? 'WITNESSED' : 'UNWITNESSED', says, {
      witnesses: witnesses.seen,
      proved: [says, ...witnesses.proved],
      open: [
        ...('proofs' in comparison
          ? ['Whether the two states agree everywhere: two proofs show only a part of each.']
          : []),
        ...(older.size < newer.size
          ? [`Whether the log had other states between ${older.size} and ${newer.size} records.`]
          : []),
        ...witnesses.open,
      ],
    });
  }

  #checkpointFile(text: string): Report {
    this.#about = 'checkpoint';
    const checkpoint = this.#open(lastCheckpoint(text));
    const witnesses = this.#witnesses(checkpoint);
    return this.#report(
      witnesses.enough ? 'WITNESSED' : 'UNWITNESSED',
      `The operator of ${checkpoint.origin} signed for ${checkpoint.size} records.`,
      {
        witnesses: witnesses.seen,
        proved: [
          `The operator of ${checkpoint.origin} stands by a log of ${checkpoint.size} records: no other log of that length can be shown without contradicting this one.`,
          ...witnesses.proved,
        ],
        open: ['What the records say: a checkpoint alone tells nothing of them.', ...witnesses.open],
      },
    );
  }

  #open(text: string): SignedCheckpoint {
    const trusted = this.#trust.logs.length > 0;
    const checkpoint = trusted ? openSigned(text, this.#trust.logs) : parseCheckpoint(text);
    this.#log = { origin: checkpoint.origin, size: checkpoint.size };
    if (!trusted) {
      this.#checks.push({ name: 'Signed by the operator', ok: undefined, says: unknownSigner(checkpoint) });
      return checkpoint;
    }
    this.#passed(
      'Signed by the operator',
      `The key that you gave signed the log ${checkpoint.origin} with ${checkpoint.size} records`,
    );
    return checkpoint;
  }

  #witnesses(checkpoint: SignedCheckpoint): WitnessFindings {
    const { policy } = this.#trust;
    const known = policy?.witnesses ?? [];
    const found = cosignatures(checkpoint, known);
    const names = policy?.cosigners(found) ?? new Set();
    const enough = policy?.satisfiedBy(names) === true;
    const seen = found.map(seenBy);
    if (policy)
      this.#checks.push({
        name: 'Witnessed',
        ok: enough,
        says: enough
          ? `${names.size} of ${known.length} witnesses countersigned: the quorum of your policy is met`
          : `${names.size} of ${known.length} witnesses countersigned: the quorum of your policy is not met`,
      });
    const latest = seen.map(({ time }) => time).toSorted();
    return {
      enough,
      seen,
      proved: enough
        ? [
            `Witnesses that you trust (${[...names].join(', ')}) saw this very log and found it to continue all that they had seen before, by ${latest.at(-1) ?? ''} at the latest: all of it is older than that.`,
          ]
        : [],
      open: enough
        ? []
        : [
            policy
              ? 'Whether everybody is shown the same log: fewer witnesses countersigned it than your policy asks for.'
              : 'Whether everybody is shown the same log: give a policy with the witnesses that you trust.',
          ],
    };
  }

  #passed(name: string, says: string): void {
    this.#checks.push({ name, ok: true, says });
  }

  #report(found: Report['verdict'], summary: string, more: Partial<Report>): Report {
    if (found !== 'INVALID' && this.#trust.logs.length === 0)
      return this.#complete('UNCHECKED', noKey.summary, { ...more, story: [], proved: [], open: noKey.open });
    return this.#complete(found, summary, more);
  }

  #complete(verdict: Report['verdict'], summary: string, more: Partial<Report>): Report {
    return {
      verdict,
      summary,
      about: this.#about,
      log: this.#log,
      checks: this.#checks,
      witnesses: [],
      records: [],
      story: [],
      findings: [],
      proved: [],
      open: [],
      never: neverProved,
      ...more,
    };
  }
}

interface WitnessFindings {
  readonly enough: boolean;
  readonly seen: readonly WitnessSeen[];
  readonly proved: readonly string[];
  readonly open: readonly string[];
}

import { type CallRuleConfig, type OpeningHours, type Weekday, weekdays } from '../config/index.ts';
import type { Authorities, Authority } from './authorities.ts';
import {
  type ClaimFault,
  type ClaimHolder,
  claimFault,
  parseWantedClaim,
  type WantedClaim,
} from './claims.ts';
import { isWithin, LocalTime } from './opening-hours.ts';
import type { VouchingClient } from './vouching-client.ts';

/** Somebody under any of its addresses. */
export interface Addressed {
  readonly addresses: readonly string[];
}

export interface RuledCaller extends Addressed {
  readonly assurance: number;
  /** Undefined for a peer, which shows no claims. */
  readonly holder: ClaimHolder | undefined;
  readonly realm: string | undefined;
}

interface CompiledRule {
  readonly callee: Pattern;
  readonly caller: Pattern | undefined;
  readonly claim: { readonly wanted: WantedClaim; readonly issuer: Authority } | undefined;
  readonly realm: Authority | undefined;
  readonly minAssurance: number;
  readonly span: OpeningHours | undefined;
  readonly days: readonly Weekday[];
  readonly time: LocalTime;
  readonly hoursText: string;
}

type Pattern = (who: Addressed) => boolean;

const faultTexts: Readonly<Record<ClaimFault, string>> = {
  missing: 'Needs',
  expired: 'Expired',
  forged: 'Forged',
  'other-subject': 'Not Your Own',
  withdrawn: 'Withdrawn',
  unconfirmed: 'Nobody Confirms',
};

/**
 * Who may call whom. A callee whom no rule names may be called by all, or by nobody when `unlisted` says deny; one
 * who is named may be called only as one of its rules says.
 */
export class CallRules {
  readonly #rules: readonly CompiledRule[];
  readonly #denyUnlisted: boolean;
  readonly #client: VouchingClient;

  /** Throws Error for a rule that names an unknown authority: the configuration has been checked before. */
  constructor(options: {
    readonly rules: readonly CallRuleConfig[];
    readonly unlisted: 'allow' | 'deny';
    readonly authorities: Authorities;
    readonly client: VouchingClient;
  }) {
    this.#rules = options.rules.map((rule) => compile(rule, options.authorities));
    this.#denyUnlisted = options.unlisted === 'deny';
    this.#client = options.client;
  }

  /** Whether there is anything to check for calls to this callee. */
  concern(callee: Addressed): boolean {
    return this.#denyUnlisted || this.#rules.some((rule) => rule.callee(callee));
  }

  /** Why the call must not be made, for the caller's display; undefined when it may. */
  async refusal(caller: RuledCaller, callee: Addressed, nowMs: number): Promise<string | undefined> {
    const rules = this.#rules.filter((rule) => rule.callee(callee));
    if (rules.length === 0) return this.#denyUnlisted ? 'No Rule Allows This Call' : undefined;
    let nearest: { readonly reason: string; readonly passed: number } | undefined;
    for (const rule of rules) {
      const failure = await this.#failure(rule, caller, nowMs);
      if (failure === undefined) return undefined;
      if (nearest === undefined || failure.passed > nearest.passed) nearest = failure;
    }
    return nearest?.reason;
  }

  /** The first condition that is not met, and how many were before it: the rule that came nearest explains best. */
  async #failure(
    rule: CompiledRule,
    caller: RuledCaller,
    nowMs: number,
  ): Promise<{ readonly reason: string; readonly passed: number } | undefined> {
    if (rule.caller !== undefined && !rule.caller(caller)) return { reason: 'Caller Not Listed', passed: 0 };
    if (caller.assurance < rule.minAssurance)
      return { reason: `Needs Assurance ${rule.minAssurance}`, passed: 1 };
    if (rule.realm !== undefined && caller.realm !== rule.realm.token.fingerprint)
      return { reason: `Needs Realm ${rule.realm.name}`, passed: 2 };
    const { claim, span, days, time, hoursText } = rule;
    if (claim !== undefined) {
      const { wanted, issuer } = claim;
      const now = Math.floor(nowMs / 1_000);
      const fault =
        caller.holder === undefined
          ? 'missing'
          : await claimFault(wanted, issuer, caller.holder, this.#client, now);
      if (fault !== undefined)
        return { reason: `${faultTexts[fault]} Claim ${wanted.name} Of ${issuer.name}`, passed: 3 };
    }
    const local = time.at(nowMs);
    const open = span === undefined ? days.includes(local.day) : isWithin(span, days, local);
    return open ? undefined : { reason: `Only ${hoursText}`, passed: 4 };
  }
}

function compile(rule: CallRuleConfig, authorities: Authorities): CompiledRule {
  const { callee, caller, claim, of = '', realm, minAssurance, hours, days, timezone } = rule;
  return {
    callee: patternOf(callee),
    caller: caller === undefined ? undefined : patternOf(caller),
    claim:
      claim === undefined ? undefined : { wanted: parseWantedClaim(claim), issuer: known(authorities, of) },
    realm: realm === undefined ? undefined : known(authorities, realm),
    minAssurance,
    span: hours,
    days: days?.days ?? weekdays,
    time: new LocalTime(timezone),
    hoursText: [days?.text, hours?.text, timezone].filter((part) => part !== undefined).join(' '),
  };
}

function known(authorities: Authorities, name: string): Authority {
  const authority = authorities.named(name);
  if (authority === undefined) throw new Error(`a rule names ${name}, which is no authority`);
  return authority;
}

function patternOf(text: string): Pattern {
  if (text === '*') return () => true;
  if (!text.endsWith('*')) return ({ addresses }) => addresses.includes(text);
  const start = text.slice(0, -1);
  return ({ addresses }) => addresses.some((address) => address.startsWith(start));
}

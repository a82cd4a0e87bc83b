import type { Authorities, CallRules, VouchingClient } from '../admission/index.ts';
import { type Clock, epochSeconds, type Logger } from '../base/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../overlay/index.ts';
import {
  type AdmissionHooks,
  type Attribute,
  admission,
  decodeIdentityToken,
  type HookAnswer,
  type IdentityToken,
} from '../tokens/index.ts';
import { nameOf, type Principal, peerIdentity } from './principal.ts';

/** Parents that a pseudonym may have above it. */
export const maxParents = 8;
/** RFC 3261 §25.1: what a reason phrase may hold without escapes; and no phone shows more. */
const maxReasonLength = 64;

export interface AuthorisationOptions {
  readonly overlay: IdentityOverlay;
  readonly authorities: Authorities;
  readonly client: VouchingClient;
  readonly rules: CallRules;
  /** What the operator decides, in code or over HTTP; what is not there agrees. */
  readonly hooks: Partial<AdmissionHooks>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Somebody who has proved who it is, and what it wants. */
export interface Wish {
  readonly principal: Principal;
  /** `register`, `invite`, `message`. */
  readonly action: string;
  /** The address that was dialled. */
  readonly target: string;
  /** Who is called, under all of its addresses; undefined where nobody is. */
  readonly callee?: IdentityRecord | undefined;
}

/**
 * Decides, once it is proved who asks, whether it may: its realm confirms it, its parent stands, the call rules allow
 * the call, and the operator's hooks agree. Whatever fails, fails closed.
 */
export class Authorisation {
  readonly #options: AuthorisationOptions;
  /** Decoding checks two signatures: once for each stored token is enough. */
  readonly #decoded = new WeakMap<Uint8Array, IdentityToken>();

  constructor(options: AuthorisationOptions) {
    this.#options = options;
  }

  /** Why not, for the display of whoever asks. Undefined, without a promise, when there is nothing to check. */
  refusal(wish: Wish): Promise<string | undefined> | undefined {
    const { rules, hooks } = this.#options;
    const { principal, action } = wish;
    const ruled = action === 'invite' && rules.concern({ addresses: calleeAddresses(wish) });
    if (principal.kind === 'peer') return ruled ? this.#logged(wish, this.#byRules(wish, [])) : undefined;
    const { realm, parent } = principal.identity;
    const hooked = hooks.authenticate ?? hooks.authorise ?? hooks.account;
    if (!ruled && realm === undefined && parent === undefined && hooked === undefined) return undefined;
    return this.#logged(wish, this.#decide(wish, principal, ruled));
  }

  async #decide(
    wish: Wish,
    { identity, assurance, intent }: Principal & { kind: 'identity' },
    ruled: boolean,
  ): Promise<string | undefined> {
    const { hooks, clock } = this.#options;
    const token = this.#decode(identity.token);
    const attributes = [...token.attributes, ...(intent?.attributes ?? [])];
    const { verdict, reason } = await admission(
      { token, action: wish.action, target: wish.target, now: epochSeconds(clock), assurance, attributes },
      {
        authenticate: async (request) =>
          (await this.#unfounded(identity, token)) ?? hooks.authenticate?.(request) ?? true,
        authorise: async (request) =>
          (ruled ? refusedBecause(await this.#byRules(wish, attributes)) : undefined) ??
          hooks.authorise?.(request) ??
          true,
        account: (request, result) => hooks.account?.(request, result),
      },
    );
    if (verdict === 'admitted') return undefined;
    return displayable(reason) || refusalTexts[verdict];
  }

  /** What a pseudonym or member rests on, and does not stand. */
  async #unfounded(identity: IdentityRecord, token: IdentityToken): Promise<HookAnswer | undefined> {
    const { authorities, client } = this.#options;
    if (!(await this.#parentsStand(identity))) return { refused: 'Parent Identity Not Valid' };
    if (identity.realm === undefined) return undefined;
    const realm = authorities.of(identity.realm);
    if (realm === undefined) return { refused: 'Realm Not Known Here' };
    const verdict = await client.realmConfirms(token, realm);
    if (verdict === 'confirmed') return undefined;
    return {
      refused:
        verdict === 'unreachable'
          ? `Realm ${realm.name} Cannot Be Reached`
          : `Realm ${realm.name} Does Not Confirm`,
    };
  }

  async #parentsStand(identity: IdentityRecord): Promise<boolean> {
    const { overlay, clock } = this.#options;
    let { parent } = identity;
    for (let level = 0; parent !== undefined && level < maxParents; level++) {
      const found: IdentityRecord | undefined = await overlay.identity(parent);
      if (found === undefined || found.status === 'revoked' || found.status === 'pending') return false;
      if (found.expires <= epochSeconds(clock)) return false;
      parent = found.parent;
    }
    return parent === undefined;
  }

  #byRules(wish: Wish, attributes: readonly Attribute[]): Promise<string | undefined> {
    const { rules, clock } = this.#options;
    const { principal } = wish;
    const { assurance } = principal;
    const identity = principal.kind === 'identity' ? principal.identity : undefined;
    const caller = {
      addresses: principal.kind === 'peer' ? [peerIdentity(principal.peer)] : addressesOf(principal.identity),
      assurance,
      realm: identity?.realm,
      holder: identity && { fingerprint: identity.fingerprint, attributes },
    };
    return rules.refusal(caller, { addresses: calleeAddresses(wish) }, clock.now());
  }

  async #logged(wish: Wish, decision: Promise<string | undefined>): Promise<string | undefined> {
    const reason = await decision;
    if (reason !== undefined) {
      const { principal, action, target } = wish;
      this.#options.logger.warn({ caller: nameOf(principal), action, target, reason }, 'not authorised');
    }
    return reason;
  }

  #decode(bytes: Uint8Array): IdentityToken {
    const known = this.#decoded.get(bytes);
    if (known !== undefined) return known;
    const token = decodeIdentityToken(bytes);
    this.#decoded.set(bytes, token);
    return token;
  }
}

const refusalTexts = {
  'not-valid': 'Identity Not Valid',
  'not-authenticated': 'Not Authenticated',
  'not-authorised': 'Not Authorised',
  'not-accounted': 'Cannot Be Accounted For',
} as const;

function refusedBecause(reason: string | undefined): HookAnswer | undefined {
  return reason === undefined ? undefined : { refused: reason };
}

function addressesOf({ name, fingerprint, aliases, predecessors }: IdentityRecord): readonly string[] {
  return [name, fingerprint, ...aliases, ...predecessors];
}

function calleeAddresses({ callee, target }: Wish): readonly string[] {
  return callee === undefined ? [target.split('@', 1)[0] ?? ''] : addressesOf(callee);
}

/** A service's own words go into a start line and a record. */
function displayable(reason: string | undefined): string {
  const safe = Array.from(reason ?? '').filter((c) => c >= ' ' && c <= '~' && !'"\\%<>'.includes(c));
  return safe.join('').trim().slice(0, maxReasonLength);
}

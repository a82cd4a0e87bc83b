import { z } from 'zod';
import type { WebAddress } from './addresses.ts';
import {
  boundWebAddress,
  groupError,
  httpUrl,
  listOf,
  nonEmptyText,
  oneOf,
  openingDays,
  openingHours,
  quantity,
  secretText,
} from './fields.ts';
import { isTimeZone, type OpeningDays, type OpeningHours } from './opening-hours.ts';

/** Who may ring `callee`, and when; each member narrows it. */
export interface CallRuleConfig {
  /** A name, number or fingerprint; `jis:sales:*` for all below; `*` for everybody. */
  readonly callee: string;
  readonly caller?: string | undefined;
  /** `employee` (any value but false), or `floor=3`. */
  readonly claim?: string | undefined;
  /** The authority that has to have signed the claim. */
  readonly of?: string | undefined;
  /** The authority that has to know the caller as a member. */
  readonly realm?: string | undefined;
  readonly minAssurance: number;
  readonly hours?: OpeningHours | undefined;
  readonly days?: OpeningDays | undefined;
  readonly timezone: string;
}

export interface AuthorityConfig {
  /** What rules call it. */
  readonly name: string;
  /** File with its public token. */
  readonly identity: string;
  /** Where it answers questions about members and claims. */
  readonly url?: string | undefined;
  readonly timeoutMs: number;
  /** Whether a claim of its counts only when it says now that it still stands by it. */
  readonly askAboutClaims: boolean;
}

export interface RealmConfig {
  /** Identity file with the realm's key, which signs the answers. */
  readonly identity: string;
  /** File whose first line opens the key, if it is encrypted. */
  readonly passphraseFile?: string | undefined;
  /** JSON list of members, as `realm add` writes it. */
  readonly members: string;
  readonly listen: WebAddress;
  readonly answerLifetimeSeconds: number;
}

export type HookName = 'authenticate' | 'authorise' | 'account';

export interface HooksConfig {
  readonly url: string;
  readonly ask: readonly HookName[];
  readonly timeoutMs: number;
  /** Key of the HMAC by which the service knows that the gateway asks; never logged. */
  readonly secret?: string | undefined;
}

export const authority: z.ZodType<AuthorityConfig> = z.strictObject(
  {
    name: nonEmptyText.refine((text) => /^[a-z0-9._-]+$/.test(text), 'use a-z, 0-9, ".", "_" and "-" only'),
    identity: nonEmptyText,
    url: httpUrl.optional(),
    timeoutMs: quantity('ms', 2_000, 50, 60_000),
    askAboutClaims: z.boolean({ error: 'must be true or false' }).default(false),
  },
  { error: groupError },
);

export const realm: z.ZodType<RealmConfig | undefined> = z
  .strictObject(
    {
      identity: nonEmptyText,
      passphraseFile: nonEmptyText.optional(),
      members: nonEmptyText,
      listen: boundWebAddress,
      answerLifetimeSeconds: quantity('s', 300, 1, 86_400),
    },
    { error: groupError },
  )
  .optional();

export const callRule: z.ZodType<CallRuleConfig> = z.strictObject(
  {
    callee: nonEmptyText,
    caller: nonEmptyText.optional(),
    claim: nonEmptyText.optional(),
    of: nonEmptyText.optional(),
    realm: nonEmptyText.optional(),
    minAssurance: quantity('count', 0, 0, 3),
    hours: openingHours.optional(),
    days: openingDays.optional(),
    timezone: nonEmptyText.refine(isTimeZone, 'must be a time zone like Europe/Berlin').default('UTC'),
  },
  { error: groupError },
);

export const hooks: z.ZodType<HooksConfig | undefined> = z
  .strictObject(
    {
      url: httpUrl,
      ask: listOf(oneOf(['authenticate', 'authorise', 'account'])).prefault('authorise, account'),
      timeoutMs: quantity('ms', 1_000, 50, 60_000),
      secret: secretText.optional(),
    },
    { error: groupError },
  )
  .optional();

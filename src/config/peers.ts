import { z } from 'zod';
import { isHostName, type PeerTarget } from './addresses.ts';
import {
  addressOrNetwork,
  expected,
  groupError,
  hostName,
  listOf,
  nonEmptyText,
  oneOf,
  peerTarget,
  quantity,
  secretText,
  section,
} from './fields.ts';

/** A PBX or trunk. */
export interface PeerConfig {
  readonly name: string;
  /** IP addresses and networks in CIDR notation that it sends from. */
  readonly match: readonly string[];
  /** Names in verified TLS client certificates that speak for it, wherever they come from. */
  readonly certificates: readonly string[];
  /** How it answers this gateway's challenges, wherever it comes from. */
  readonly digest?: Pick<PeerCredentialConfig, 'username' | 'password'> | undefined;
  /** Where requests for this peer go. */
  readonly target: PeerTarget;
  readonly role: 'pbx' | 'trunk';
  /** Its SIP domain; undefined: the host (and port) of the target. */
  readonly domain?: string | undefined;
  /** Which of the phones' calls go there: those to nobody here, or all but those to fingerprints and whole names. */
  readonly calls: 'unknown' | 'all';
  /** Beginnings of the numbers that go there; empty: all that no other peer takes. */
  readonly prefixes: readonly string[];
  /** Other peers whose calls may go there. */
  readonly from: readonly string[];
  readonly registrations: PeerRegistrationsConfig;
  /** What answers its challenges where no account does. */
  readonly credential?: PeerCredentialConfig | undefined;
  /** Who is which user there; without an entry an identity is known there by its extension, else its short name. */
  readonly accounts: readonly PeerAccountConfig[];
  readonly numbering: NumberingConfig;
  /** Who has which of the peer's numbers. */
  readonly numbers: readonly PeerNumberConfig[];
  /** Shown for callers that have no number of their own. */
  readonly callerNumber?: string | undefined;
  readonly probe: PeerProbeConfig;
}

export interface PeerRegistrationsConfig {
  /** Who registers there: nobody, this gateway for its phones, or the phones through it. */
  readonly by: 'nobody' | 'gateway' | 'phones';
  /** What is asked for there, in seconds. */
  readonly expires: number;
  /** How long a registration there outlives the last phone here. */
  readonly lingerMs: number;
  /** After a failure, doubled each time up to `maxRetryMs`. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
  /** REGISTER requests on their way at a time. */
  readonly maxUnderWay: number;
}

export interface PeerCredentialConfig {
  readonly username: string;
  readonly password: string;
  /** Undefined: the one in the first challenge to a REGISTER. */
  readonly realm?: string | undefined;
}

export interface PeerAccountConfig {
  /** Name, alias or fingerprint of an identity here. */
  readonly identity: string;
  /** The user part of its address there. */
  readonly user: string;
  /** For digest; undefined: `user`. */
  readonly username?: string | undefined;
  /** Undefined: the peer does not challenge. */
  readonly password?: string | undefined;
}

export interface NumberingConfig {
  /** Country code without +, such as `49`; undefined: only numbers with a + are understood. */
  readonly country?: string | undefined;
  readonly nationalPrefix: string;
  readonly internationalPrefix: string;
  /** How numbers are written towards the peer: `+4930…`, `4930…`, `030…`, or as they were dialled. */
  readonly format: 'e164' | 'digits' | 'national' | 'dialled';
}

export interface PeerNumberConfig {
  /** In E.164 with its +; with `*` at the end every number that begins so. */
  readonly number: string;
  readonly identity?: string | undefined;
  /** Instead of an identity: another peer that takes these calls. */
  readonly peer?: string | undefined;
}

export interface PeerProbeConfig {
  /** Between two OPTIONS; 0: none are sent. */
  readonly intervalMs: number;
  /** The same while an answer is missing. */
  readonly downIntervalMs: number;
  readonly timeoutMs: number;
  /** Unanswered in a row until the peer counts as down. */
  readonly failures: number;
}

const day = 86_400_000;

const userPart = nonEmptyText.refine(
  (text) => /^[^\s<>"@:;]+$/.test(text),
  'must be the user part of a SIP address',
);

const digits = nonEmptyText.refine((text) => /^\d{1,15}$/.test(text), 'must be digits, in quotes');

const number = nonEmptyText.refine(
  (text) => /^\+\d{1,15}\*?$/.test(text),
  'must be an E.164 number like "+4930123456", with "*" behind it for all that begin so',
);

const peerName = nonEmptyText.refine(
  (text) => /^[a-z0-9._-]+$/.test(text),
  'use a-z, 0-9, ".", "_" and "-" only',
);

const account = z.strictObject(
  {
    identity: nonEmptyText,
    user: userPart,
    username: nonEmptyText.optional(),
    password: secretText.optional(),
  },
  { error: groupError },
);

const numberEntry = z
  .strictObject(
    { number, identity: nonEmptyText.optional(), peer: peerName.optional() },
    { error: groupError },
  )
  .refine(
    ({ identity, peer: other }) => (identity === undefined) !== (other === undefined),
    'must name either an identity or a peer',
  );

/** One entry of `peers`. */
export const peer: z.ZodType<PeerConfig> = z
  .strictObject(
    {
      name: peerName,
      match: listOf(addressOrNetwork).prefault(''),
      certificates: listOf(nonEmptyText.refine(isHostName, 'must be host names')).prefault(''),
      digest: z.strictObject({ username: userPart, password: secretText }, { error: groupError }).optional(),
      target: peerTarget,
      role: oneOf(['pbx', 'trunk']),
      domain: hostName.optional(),
      calls: oneOf(['unknown', 'all']).default('unknown'),
      prefixes: listOf(
        nonEmptyText.refine((text) => /^\+?[0-9*#]+$/.test(text), 'must be digits, in quotes'),
      ).prefault(''),
      from: listOf(peerName).prefault(''),
      registrations: section({
        by: oneOf(['nobody', 'gateway', 'phones']).default('nobody'),
        expires: quantity('s', 3_600, 60, 2_592_000),
        lingerMs: quantity('ms', 60_000, 0, day),
        retryMs: quantity('ms', 5_000, 100, day),
        maxRetryMs: quantity('ms', 300_000, 100, day),
        maxUnderWay: quantity('count', 50, 1, 10_000),
      }),
      credential: z
        .strictObject(
          { username: nonEmptyText, password: secretText, realm: nonEmptyText.optional() },
          { error: groupError },
        )
        .optional(),
      accounts: z.array(account, { error: expected('must be a list of accounts') }).prefault([]),
      numbering: section({
        country: digits.optional(),
        nationalPrefix: digits.default('0'),
        internationalPrefix: digits.default('00'),
        format: oneOf(['e164', 'digits', 'national', 'dialled']).default('e164'),
      }),
      numbers: z.array(numberEntry, { error: expected('must be a list of numbers') }).prefault([]),
      callerNumber: nonEmptyText
        .refine((text) => /^\+\d{1,15}$/.test(text), 'must be an E.164 number like "+4930123456"')
        .optional(),
      probe: section({
        intervalMs: quantity('ms', 30_000, 0, day),
        downIntervalMs: quantity('ms', 5_000, 50, day),
        timeoutMs: quantity('ms', 2_000, 50, 32_000),
        failures: quantity('count', 2, 1, 100),
      }),
    },
    { error: groupError },
  )
  .refine(
    ({ match, certificates, digest }) => match.length + certificates.length > 0 || digest !== undefined,
    { path: ['match'], error: 'must name at least one address, unless `certificates` or `digest` is given' },
  );

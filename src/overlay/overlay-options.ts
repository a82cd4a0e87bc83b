import type { Clock, Logger, Random } from '../base/index.ts';
import type { TokenError, TokenErrorCode } from '../tokens/index.ts';
import { type CacheLimits, defaultCacheLimits } from './cached-store.ts';
import type { Prover } from './challenge.ts';
import { defaultMaxMappedBytes } from './embedded-store.ts';
import { defaultEndpointLimits, type EndpointLimits } from './endpoint-book.ts';
import type { OverlayError, OverlayErrorCode } from './errors.ts';
import type { IdentityRecord } from './identity-record.ts';
import type { OverlayEvent } from './overlay-event.ts';
import type { OverlayStore } from './store.ts';

export const defaultNode = 'this-program';

/** `open`: who proves a key may have a free name. `approved`: an operator has to say yes. */
export type EnrolmentPolicy = 'open' | 'approved';

export interface OverlayLimits {
  readonly cache: CacheLimits;
  /** How much of an embedded store's file may count as memory of this process: for `openStore`. */
  readonly maxMappedBytes: number;
  readonly endpoint: EndpointLimits;
  /** A device has this long to answer a challenge. */
  readonly challengeLifetimeMs: number;
  readonly maxOpenChallenges: number;
  /** How often expired bindings are taken out; they never count, swept or not. */
  readonly sweepIntervalMs: number;
  readonly maxSweptIdentities: number;
}

export const defaultOverlayLimits: OverlayLimits = {
  cache: defaultCacheLimits,
  maxMappedBytes: defaultMaxMappedBytes,
  endpoint: defaultEndpointLimits,
  challengeLifetimeMs: 30_000,
  maxOpenChallenges: 10_000,
  sweepIntervalMs: 10_000,
  maxSweptIdentities: 1_000,
};

export interface OverlayOptions {
  /** Closed together with the overlay. Without one nothing is kept: all is gone with the program. */
  readonly store?: OverlayStore;
  /** Names this gateway among those that share the store; stays the same over restarts. */
  readonly node?: string;
  /** Known to the gateways that share the store and to nobody else: without it whoever can write there is believed. */
  readonly nodeSecret?: string | undefined;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  /** Gets every event that has to leave a record; must not throw. */
  readonly onEvent?: (event: OverlayEvent) => void;
  /** Reaches devices that hold their own key, for `verify`. */
  readonly findProver?: (identity: IdentityRecord) => Prover | undefined;
  readonly enrolment?: EnrolmentPolicy;
  readonly limits?: Partial<OverlayLimits>;
}

export type RefusalCode = OverlayErrorCode | TokenErrorCode;

export type EnrolResult =
  | {
      readonly kind: 'enrolled';
      readonly identity: IdentityRecord;
      readonly outcome: 'new' | 'renewed' | 'known';
    }
  | { readonly kind: 'refused'; readonly code: RefusalCode; readonly error: OverlayError | TokenError };

export interface EnrolOptions {
  readonly policy?: EnrolmentPolicy;
  /** Why, for the record. */
  readonly intent?: string;
}

/** Where a device is, for `register` and `signEndpoint`. */
export interface EndpointOptions {
  readonly ip: string;
  readonly port: number;
  readonly behindNat?: boolean;
  /** Without them: those of the record before. */
  readonly capabilities?: readonly string[];
  readonly lifetimeSeconds?: number;
}

export interface Registration {
  /** The name with its `jis:`. */
  readonly id: string;
  readonly identity: IdentityRecord;
  /** `ip:port`. */
  readonly endpoint: string;
  readonly sequence: bigint;
}

export interface Resolution {
  readonly resolved: boolean;
  /** `ip:port`; undefined when nothing live is known. */
  readonly endpoint: string | undefined;
  readonly behindNat: boolean | undefined;
  readonly capabilities: readonly string[];
  readonly identity: IdentityRecord | undefined;
}

/** A live identity that can do what was asked for. */
export interface CapabilityHolder {
  readonly id: string;
  readonly identity: IdentityRecord;
  readonly endpoint: string;
}

/** A part of a listing. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** For the next page; undefined on the last one. */
  readonly cursor: string | undefined;
}

import type { HeaderField } from '../sip/index.ts';
import type { Principal } from './principal.ts';

/** To be answered with `status` (mostly 401 or 407) and `headers`; leaves no record, since nobody has spoken yet. */
export interface Challenge {
  readonly kind: 'challenge';
  readonly status: number;
  readonly headers: readonly HeaderField[];
}

export interface Proved {
  readonly kind: 'proved';
  readonly principal: Principal;
  /** For the response to a REGISTER. */
  readonly info?: readonly HeaderField[];
}

export interface Refused {
  readonly kind: 'refused';
  readonly status: 403;
  readonly reason: string;
  /** For log and record. */
  readonly fault: string;
  readonly claimed: string | undefined;
  readonly headers: readonly HeaderField[];
  /** False once a source has failed so often that its failures are only counted. */
  readonly record: boolean;
}

/** Who sent a request, or what whoever it was is told. */
export type AuthenticationResult = Proved | Challenge | Refused;

export function proved(principal: Principal): Proved {
  return { kind: 'proved', principal };
}

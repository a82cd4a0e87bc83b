/**
 * When a contact without an instance-id counts as one that its phone has left behind, although the URIs differ:
 * `moved`: same flow, same Call-ID (one boot cycle, RFC 3261 §10.2.4) and same user; only host, port or
 * parameters changed, as after a phone learned its public address. `any`: whatever is on the same flow.
 * `never`: the letter of RFC 3261 §10.3.
 */
export type SameFlowRule = 'moved' | 'any' | 'never';

export interface RegistrarPolicy {
  /** Shorter ones are refused with 423, but never one of an hour or more (RFC 3261 §10.3 step 7); 0 accepts all. */
  readonly minExpiresSeconds: number;
  /** For contacts that name no time. */
  readonly defaultExpiresSeconds: number;
  /** Longer ones are shortened. */
  readonly maxExpiresSeconds: number;
  /** Bindings of one address-of-record. */
  readonly maxBindings: number;
  /** Contact values of one request: more than `maxBindings`, since a phone may add and remove at once. */
  readonly maxContacts: number;
  /** Characters of one Contact value, and of one Path value. */
  readonly maxContactLength: number;
  /** Path values of one request. */
  readonly maxPathLength: number;
  readonly sameFlowRule: SameFlowRule;
  /** Flow-Timer (RFC 5626 §4.4): after that many silent seconds we may take a flow for dead. */
  readonly datagramFlowTimerSeconds: number;
  readonly streamFlowTimerSeconds: number;
}

export const defaultRegistrarPolicy: RegistrarPolicy = {
  minExpiresSeconds: 60,
  defaultExpiresSeconds: 3600,
  maxExpiresSeconds: 7200,
  maxBindings: 10,
  maxContacts: 32,
  maxContactLength: 1024,
  maxPathLength: 10,
  sameFlowRule: 'moved',
  // Most NATs forget a UDP mapping after 30 silent seconds (RFC 4787 §4.3 asks for more; few listen).
  datagramFlowTimerSeconds: 25,
  streamFlowTimerSeconds: 120,
};

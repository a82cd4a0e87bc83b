import {
  type Attribute,
  checkClaim,
  claimAttributePrefix,
  claimsAmong,
  type Fingerprint,
  TokenError,
  type VerifiableClaim,
} from '../tokens/index.ts';
import type { Authority } from './authorities.ts';
import type { VouchingClient } from './vouching-client.ts';

/** What a rule asks for: `employee`, or `floor=3`. */
export interface WantedClaim {
  readonly name: string;
  /** Undefined: any value but false. */
  readonly value: string | undefined;
}

/** Why a claim does not serve; `missing` also for one of another name, issuer or value. */
export type ClaimFault = 'missing' | 'expired' | 'forged' | 'other-subject' | 'withdrawn' | 'unconfirmed';

export interface ClaimHolder {
  readonly fingerprint: Fingerprint;
  /** Those of its identity token and of this request. */
  readonly attributes: readonly Attribute[];
}

export function parseWantedClaim(text: string): WantedClaim {
  const equals = text.indexOf('=');
  return equals < 0
    ? { name: text, value: undefined }
    : { name: text.slice(0, equals), value: text.slice(equals + 1) };
}

/** Whether the holder shows the claim, signed by the authority, about itself, and in time. Undefined when it does. */
export async function claimFault(
  wanted: WantedClaim,
  issuer: Authority,
  holder: ClaimHolder,
  client: VouchingClient,
  now: number,
): Promise<ClaimFault | undefined> {
  let worst: ClaimFault = 'missing';
  for (const claim of shownClaims(holder.attributes)) {
    if (claim.issuer !== issuer.token.fingerprint || !isWanted(claim, wanted)) continue;
    const verdict = checkClaim(claim, { issuer: issuer.token, subject: holder.fingerprint, now });
    if (verdict === 'valid') {
      const fault = await standingFault(claim, issuer, client);
      if (fault === undefined) return undefined;
      worst = fault;
    } else if (verdict !== 'other-issuer') worst = verdict;
  }
  return worst;
}

/** A claim that is malformed is no claim: it comes from its holder. */
export function shownClaims(attributes: readonly Attribute[]): readonly VerifiableClaim[] {
  return attributes.flatMap((attribute) => {
    if (!attribute.name.startsWith(claimAttributePrefix)) return [];
    try {
      return claimsAmong([attribute]);
    } catch (error) {
      if (error instanceof TokenError) return [];
      throw error;
    }
  });
}

async function standingFault(
  claim: VerifiableClaim,
  issuer: Authority,
  client: VouchingClient,
): Promise<ClaimFault | undefined> {
  if (!issuer.askAboutClaims) return undefined;
  const answer = await client.claimStands(claim, issuer);
  if (answer === 'yes') return undefined;
  return answer === 'no' ? 'withdrawn' : 'unconfirmed';
}

function isWanted(claim: VerifiableClaim, { name, value }: WantedClaim): boolean {
  if (claim.name !== name) return false;
  return value === undefined ? claim.value !== false : String(claim.value) === value;
}

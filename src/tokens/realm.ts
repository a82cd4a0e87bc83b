import { type Fingerprint, fingerprintBytes } from './fingerprint.ts';
import { checkValidity, type IdentityToken } from './identity-token.ts';
import type { SigningKey } from './keys.ts';
import { type AskOptions, askSigned, type Question, type SignedAnswer, signAnswer } from './signed-answer.ts';

/** Only `confirmed` admits; `none` says that the token claims no realm. */
export type RealmVerdict =
  | 'none'
  | 'confirmed'
  | 'denied'
  | 'other-realm'
  | 'realm-invalid'
  | 'expired'
  | 'forged'
  | 'unreachable';

export const realmContext = 'tibet-realm-v1';

export function realmQuestion(realm: Fingerprint, member: Fingerprint, nonce: Uint8Array): Question {
  return { context: realmContext, about: [fingerprintBytes(realm), fingerprintBytes(member)], nonce };
}

/** The realm's side: a signed yes or no to the very question. */
export function answerRealmQuestion(
  realmKey: SigningKey,
  question: Question,
  isMember: boolean,
  until: number,
): SignedAnswer {
  return signAnswer(realmKey, question, isMember ? 'yes' : 'no', until);
}

/**
 * Asks the realm that `token` claims whether it knows this identity. Whoever can write a realm's fingerprint into
 * a token could claim membership, so only the realm's own signed answer counts, and silence is a refusal.
 */
export async function confirmRealm(
  token: IdentityToken,
  realm: IdentityToken,
  options: AskOptions,
): Promise<RealmVerdict> {
  if (token.realm === undefined) return 'none';
  if (token.realm !== realm.fingerprint) return 'other-realm';
  if (checkValidity(realm, options.now) !== 'valid') return 'realm-invalid';
  const question = realmQuestion(token.realm, token.fingerprint, options.nonce);
  const verdict = await askSigned(question, realm.publicKey, options);
  if (verdict === 'yes') return 'confirmed';
  return verdict === 'no' ? 'denied' : verdict;
}

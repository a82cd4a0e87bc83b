import { telDigits } from '../sip/index.ts';
import { jisPrefix, sipUserOf } from '../tokens/index.ts';

/** Schemes whose names hold an `@` of their own. */
const mailSchemes: readonly string[] = ['mail:', 'mailto:', 'acct:'];

/**
 * The SIP address of what somebody dials: a name, a number, an extension or a fingerprint, here or behind an `@` at another
 * domain. `jis:bob@b.example` is `sip:bob@b.example`; `mail:zoe@example.org` is a name, not an address there.
 */
export function dialledAddress(target: string, domain: string): string {
  if (target.startsWith('sip:') || target.startsWith('sips:')) return target;
  if (target.startsWith('tel:')) return `sip:${telDigits(target.slice('tel:'.length))}@${domain}`;
  const own = mailSchemes.some((scheme) => target.startsWith(scheme)) ? target.indexOf('@') + 1 : 0;
  const at = target.indexOf('@', own);
  const who = at < 0 ? target : target.slice(0, at);
  return `sip:${userPart(who)}@${at < 0 ? domain : target.slice(at + 1)}`;
}

/** A colon in a user part would begin a password (RFC 3261 §25.1). */
function userPart(who: string): string {
  if (who.startsWith(jisPrefix)) return sipUserOf(who);
  return who.includes(':') ? encodeURIComponent(who) : who;
}

import { dialledUser, readUri } from '../intent/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../overlay/index.ts';

/** Whom the user part of a SIP address names; whether its host is ours is for the caller to check. */
export async function identityAt(
  overlay: IdentityOverlay,
  address: string,
): Promise<IdentityRecord | undefined> {
  const uri = readUri(address);
  const user = uri?.scheme === 'sip' || uri?.scheme === 'sips' ? uri.user : undefined;
  return user === undefined ? undefined : await overlay.lookup(dialledUser(user));
}

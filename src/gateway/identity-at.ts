import { dialledUser, readUri } from '../intent/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../overlay/index.ts';
import { telDigits } from '../sip/index.ts';

/** Whom a SIP address's user part or a telephone number names; whether host or phone context is ours is for the caller to check. */
export async function identityAt(
  overlay: IdentityOverlay,
  address: string,
): Promise<IdentityRecord | undefined> {
  const uri = readUri(address);
  if (uri?.scheme === 'tel') return await overlay.lookup(telDigits(uri.number));
  const user = uri?.scheme === 'sip' || uri?.scheme === 'sips' ? uri.user : undefined;
  return user === undefined ? undefined : await overlay.lookup(dialledUser(user));
}

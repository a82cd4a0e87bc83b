import type { PeerConfig } from '../../config/index.ts';
import { isFingerprint } from '../../tokens/index.ts';
import type { Principal } from '../principal.ts';
import { toE164 } from './numbering.ts';

/**
 * The peers that take a call to an address that nobody here has, as alternatives to each other: those with the longest
 * fitting prefix, a PBX before a trunk. A call of a peer goes only where its number or `from` says.
 */
export function peersFor(
  user: string,
  sender: Principal,
  named: string | undefined,
  peers: readonly PeerConfig[],
): readonly PeerConfig[] {
  if (named !== undefined) return peers.filter(({ name }) => name === named);
  const ranked = peers.flatMap((peer) => {
    if (sender.kind === 'peer' && !peer.from.includes(sender.peer.name)) return [];
    const length = fittingPrefix(user, peer);
    return length === undefined ? [] : [{ peer, rank: 2 * length + (peer.role === 'pbx' ? 1 : 0) }];
  });
  const best = Math.max(...ranked.map(({ rank }) => rank));
  return ranked.filter(({ rank }) => rank === best).map(({ peer }) => peer);
}

/**
 * The PBX that calls between identities pass as well. Nobody bars the way to a fingerprint or a whole name, but for
 * whoever is proved nowhere but at that PBX.
 */
export function dialPlanFor(
  user: string,
  sender: Principal,
  peers: readonly PeerConfig[],
): PeerConfig | undefined {
  if (sender.kind === 'peer') return undefined;
  if (sender.assurance > 0 && (isFingerprint(user) || user.includes(':'))) return undefined;
  return peers.find(({ calls }) => calls === 'all');
}

/** The length of the longest prefix that the number begins with, as dialled or in E.164; 0 without any prefixes. */
function fittingPrefix(user: string, { prefixes, numbering }: PeerConfig): number | undefined {
  if (prefixes.length === 0) return 0;
  const number = toE164(user, numbering) ?? user;
  const lengths = prefixes
    .filter((prefix) => user.startsWith(prefix) || number.startsWith(prefix))
    .map(({ length }) => length);
  return lengths.length === 0 ? undefined : Math.max(...lengths);
}

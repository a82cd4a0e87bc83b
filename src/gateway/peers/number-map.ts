import type { PeerConfig, PeerNumberConfig } from '../../config/index.ts';
import type { IdentityRecord } from '../../overlay/index.ts';

/** Who has a number of a peer: the entry that names it, else the longest beginning of it. */
export function holderOf(number: string, { numbers }: PeerConfig): PeerNumberConfig | undefined {
  let best: PeerNumberConfig | undefined;
  for (const entry of numbers) {
    if (entry.number === number) return entry;
    if (!entry.number.endsWith('*') || !number.startsWith(entry.number.slice(0, -1))) continue;
    if (best === undefined || entry.number.length > best.number.length) best = entry;
  }
  return best;
}

/** The number that callees behind a peer see of an identity: its own there, its E.164 alias, else the common one. */
export function callerNumberOf(identity: IdentityRecord, peer: PeerConfig): string | undefined {
  const { fingerprint, name, aliases } = identity;
  const own = peer.numbers.find(
    (entry) =>
      !entry.number.endsWith('*') &&
      entry.identity !== undefined &&
      (entry.identity === name || entry.identity === fingerprint || aliases.includes(entry.identity)),
  );
  return own?.number ?? aliases.find((alias) => alias.startsWith('+')) ?? peer.callerNumber;
}

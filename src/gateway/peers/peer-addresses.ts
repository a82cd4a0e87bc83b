import type { PeerAccountConfig, PeerConfig } from '../../config/index.ts';
import type { IdentityRecord } from '../../overlay/index.ts';
import { escapeUser } from '../../sip/index.ts';

/** The host, and port, in a peer's SIP addresses. */
export function domainOf({ domain, target }: PeerConfig): string {
  if (domain !== undefined) return domain;
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  return target.port === undefined ? host : `${host}:${target.port}`;
}

export function addressAt(peer: PeerConfig, user: string): string {
  return `sip:${escapeUser(user)}@${domainOf(peer)}`;
}

/** Who an identity is at a peer: as configured, else its extension, else its short name. */
export function accountOf(peer: PeerConfig, identity: IdentityRecord): PeerAccountConfig {
  const { fingerprint, name, aliases } = identity;
  const configured = peer.accounts.find(
    (account) =>
      account.identity === fingerprint || account.identity === name || aliases.includes(account.identity),
  );
  if (configured !== undefined) return configured;
  const extension = aliases.find((alias) => !alias.startsWith('+'));
  return { identity: fingerprint, user: extension ?? shortName(name) };
}

/** `alice` of `jis:alice`. */
function shortName(name: string): string {
  return name.slice(name.lastIndexOf(':') + 1);
}

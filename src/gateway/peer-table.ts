import { BlockList, isIPv6 } from 'node:net';
import type { PeerConfig } from '../config/index.ts';
import { peerIdentity } from './principal.ts';

/** The PBXes and trunks of the configuration, found by the address that they send from. */
export class PeerTable {
  readonly #rows: readonly { readonly peer: PeerConfig; readonly sources: BlockList }[];

  constructor(peers: readonly PeerConfig[]) {
    this.#rows = peers.map((peer) => ({ peer, sources: sourcesOf(peer.match) }));
  }

  match(address: string): PeerConfig | undefined {
    if (this.#rows.length === 0) return undefined;
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    return this.#rows.find(({ sources }) => sources.check(address, family))?.peer;
  }

  /** The peer that a flow token names. */
  byIdentity(identity: string): PeerConfig | undefined {
    return this.#rows.find(({ peer }) => peerIdentity(peer) === identity)?.peer;
  }

  /** Where a number that is nobody's identity goes: to a PBX before a trunk. */
  get outward(): PeerConfig | undefined {
    const peers = this.#rows.map(({ peer }) => peer);
    return peers.find(({ role }) => role === 'pbx') ?? peers[0];
  }
}

function sourcesOf(match: readonly string[]): BlockList {
  const sources = new BlockList();
  for (const entry of match) {
    const [address = '', prefix] = entry.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (prefix === undefined) sources.addAddress(address, family);
    else sources.addSubnet(address, Number(prefix), family);
  }
  return sources;
}

import { BlockList, isIPv6 } from 'node:net';
import type { PeerConfig } from '../../config/index.ts';
import { type DigestCredential, type Flow, mintDigestCredential } from '../../sip/index.ts';
import { peerIdentity } from '../principal.ts';

/** Addresses of senders, peers or not, whose peer is remembered. */
const maxAddresses = 10_000;

/** The PBXes and trunks of the configuration, found by what their requests come from. */
export class PeerTable {
  readonly all: readonly PeerConfig[];
  readonly #rows: readonly { readonly peer: PeerConfig; readonly sources: BlockList }[];
  /** What `#matchAddress` has found lately. */
  readonly #byAddress = new Map<string, PeerConfig | undefined>();

  constructor(peers: readonly PeerConfig[]) {
    this.all = peers;
    this.#rows = peers.map((peer) => ({ peer, sources: sourcesOf(peer.match) }));
  }

  /** By the address, or by the name in a client certificate that an authority vouches for. */
  match({ remote, peerCertificate }: Pick<Flow, 'remote' | 'peerCertificate'>): PeerConfig | undefined {
    if (this.#rows.length === 0) return undefined;
    const byAddress = this.#byAddress.get(remote.address) ?? this.#matchAddress(remote.address);
    if (byAddress !== undefined || peerCertificate?.authorized !== true) return byAddress;
    const { commonName, dnsNames } = peerCertificate;
    const names = new Set([...(dnsNames.length === 0 ? [commonName ?? ''] : dnsNames)].map(lowerCase));
    return this.#rows.find(({ peer }) => peer.certificates.some((name) => names.has(lowerCase(name))))?.peer;
  }

  /** A call asks seven times; a block list makes an object of Node's for each answer. */
  #matchAddress(address: string): PeerConfig | undefined {
    if (this.#byAddress.has(address)) return undefined;
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    const peer = this.#rows.find(({ sources }) => sources.check(address, family))?.peer;
    if (this.#byAddress.size >= maxAddresses) this.#byAddress.clear();
    this.#byAddress.set(address, peer);
    return peer;
  }

  /** The peer that answers challenges under this name. */
  byUsername(username: string): PeerConfig | undefined {
    return this.#rows.find(({ peer }) => peer.digest?.username === username)?.peer;
  }

  credential(username: string, realm: string): DigestCredential | undefined {
    const digest = this.byUsername(username)?.digest;
    return digest && mintDigestCredential({ ...digest, realm });
  }

  /** Whether one peer is behind both: it may have several addresses. */
  areSame(
    flow: Pick<Flow, 'remote' | 'peerCertificate'>,
    other: Pick<Flow, 'remote' | 'peerCertificate'>,
  ): boolean {
    const peer = this.match(flow);
    return peer !== undefined && peer === this.match(other);
  }

  /** The peer that a flow token names. */
  byIdentity(identity: string): PeerConfig | undefined {
    return this.#rows.find(({ peer }) => peerIdentity(peer) === identity)?.peer;
  }
}

function lowerCase(name: string): string {
  return name.toLowerCase();
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

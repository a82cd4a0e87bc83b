import { BlockList, isIPv6 } from 'node:net';
import { canonicalAddress, connectionOf, parseSdp, SdpError } from '../../media/index.ts';
import type { CallPeer } from './media-calls.ts';

/**
 * Which calls may go without a relay: both phones see themselves under the address under which we see them, so neither
 * is behind a NAT, and both addresses lie in one of the networks that the operator named.
 */
export class DirectMedia {
  readonly #networks: readonly BlockList[];

  constructor(networks: readonly string[]) {
    this.#networks = networks.map(blockListOf);
  }

  /** Whether what `sender` offers in `sdp` reaches `receiver`, and the answer the sender, without help. */
  reaches(sdp: Uint8Array, sender: CallPeer, receiver: CallPeer): boolean {
    if (this.#networks.length === 0) return false;
    const [from, to] = [canonicalAddress(sender.observed), canonicalAddress(receiver.observed)];
    const both = this.#networks.some((network) => holds(network, from) && holds(network, to));
    return both && isSelf(sender, from) && isSelf(receiver, to) && namesOnly(sdp, from);
  }
}

function isSelf({ contactHost }: CallPeer, observed: string): boolean {
  return contactHost !== undefined && canonicalAddress(contactHost) === observed;
}

/** Whether all media of a description goes to the one address. */
function namesOnly(sdp: Uint8Array, address: string): boolean {
  try {
    const description = parseSdp(sdp);
    return description.media.every((section) => {
      const connection = connectionOf(description, section);
      return (
        section.port === 0 || (connection !== undefined && canonicalAddress(connection.address) === address)
      );
    });
  } catch (error) {
    if (error instanceof SdpError) return false;
    throw error;
  }
}

function holds(network: BlockList, address: string): boolean {
  return network.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

function blockListOf(entry: string): BlockList {
  const list = new BlockList();
  const [address = '', prefix] = entry.split('/');
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  if (prefix === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(prefix), family);
  return list;
}

import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../../base/index.ts';
import { AddressSet } from './address-set.ts';
import { isLoopback } from './ip-address.ts';

/** For how long the list of this machine's addresses is believed. */
const freshMs = 10_000;
/** Connecting a UDP socket sends nothing; it only asks the kernel for a route. RFC 5737 and RFC 3849 addresses. */
const anywhere = { ipv4: '192.0.2.1', ipv6: '2001:db8::1' } as const;

interface OwnNetwork {
  readonly address: string;
  readonly network: AddressSet;
}

/**
 * Which of this machine's addresses a peer sees, for sockets that are bound to all of them: Node does not say where a
 * datagram arrived. Exact for peers in a network of ours; for others it is the address of the default route.
 */
export class LocalAddresses {
  readonly #clock: Clock;
  #networks: readonly OwnNetwork[] = [];
  #readAtMs = Number.NEGATIVE_INFINITY;
  #defaults: { readonly ipv4: string | undefined; readonly ipv6: string | undefined } = {
    ipv4: undefined,
    ipv6: undefined,
  };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async start(): Promise<void> {
    this.#defaults = {
      ipv4: await routedAddress('udp4', anywhere.ipv4),
      ipv6: await routedAddress('udp6', anywhere.ipv6),
    };
  }

  /** Undefined when the machine has no address of that family. */
  towards(remoteAddress: string): string | undefined {
    const ipv6 = isIPv6(remoteAddress);
    if (isLoopback(remoteAddress)) return ipv6 ? '::1' : '127.0.0.1';
    const near = this.#fresh().find(({ network }) => network.has(remoteAddress));
    return near?.address ?? (ipv6 ? this.#defaults.ipv6 : this.#defaults.ipv4);
  }

  /** Whether this machine has that address now. */
  has(address: string): boolean {
    return this.#fresh().some((own) => own.address === address);
  }

  #fresh(): readonly OwnNetwork[] {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#readAtMs >= freshMs) {
      this.#networks = ownNetworks();
      this.#readAtMs = nowMs;
    }
    return this.#networks;
  }
}

function ownNetworks(): readonly OwnNetwork[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).flatMap(({ address, cidr }) =>
      cidr === null ? [] : [{ address, network: new AddressSet([cidr]) }],
    ),
  );
}

async function routedAddress(type: 'udp4' | 'udp6', towards: string): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const socket = createSocket(type);
    const settle = (address: string | undefined): void => {
      socket.close();
      resolve(address);
    };
    socket.once('error', () => settle(undefined));
    // Port 9 is discard; nothing is ever sent to it.
    socket.connect(9, towards, () => settle(socket.address().address));
  });
}

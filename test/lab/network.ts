import { carrierNat, homeRouter, type NatBehaviour, natRules } from './nat-behaviour.ts';
import { Sandbox } from './sandbox.ts';

export const gatewayAddress = '192.0.2.10';
/** A second address in the public segment: some NATs care about who answers. */
export const strangerAddress = '192.0.2.11';
/** What the whole world sees of both carriers' customers. */
export const sharedAddress = '203.0.113.1';
/** Every home looks like this from within, and overlaps with every other. */
const homeNetwork = { router: '10.0.0.1', prefix: 8 } as const;

export type CarrierName = 'a' | 'b';
export type HomeName = 'a1' | 'a2' | 'b1' | 'b2';

/** Both carriers use the shared address, each with half of its ports (RFC 6346), and the same inside network. */
export const carriers: Readonly<
  Record<CarrierName, { readonly link: string; readonly ports: readonly [number, number] }>
> = {
  a: { link: '198.18.1', ports: [1_024, 32_767] },
  b: { link: '198.18.2', ports: [32_768, 65_534] },
};
export const homes: Readonly<Record<HomeName, { readonly carrier: CarrierName; readonly address: string }>> =
  {
    a1: { carrier: 'a', address: '100.64.0.11' },
    a2: { carrier: 'a', address: '100.64.0.12' },
    b1: { carrier: 'b', address: '100.64.0.11' },
    b2: { carrier: 'b', address: '100.64.0.12' },
  };
const carrierNames: readonly CarrierName[] = ['a', 'b'];
export const homeNames: readonly HomeName[] = ['a1', 'a2', 'b1', 'b2'];

export interface NetworkOptions {
  readonly carriers?: Partial<Record<CarrierName, NatBehaviour>>;
  readonly homes?: Partial<Record<HomeName, NatBehaviour>>;
}

/** A phone's place in a home. */
export interface Place {
  readonly home: HomeName;
  /** Inside the home; phones of different homes may have the same. */
  readonly address: string;
}

/**
 * The lab's network: a public segment with the gateway, two carrier-grade NATs behind one public address, two homes
 * with a NAT of their own behind each, and phones in them.
 */
export class LabNetwork {
  readonly sandbox: Sandbox;

  private constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
  }

  static async build(options: NetworkOptions = {}): Promise<LabNetwork> {
    const network = new LabNetwork(await Sandbox.open());
    try {
      await network.sandbox.shell(publicSegment());
      for (const name of carrierNames) await network.setCarrier(name, options.carriers?.[name] ?? carrierNat);
      for (const name of homeNames) await network.setHome(name, options.homes?.[name] ?? homeRouter);
      return network;
    } catch (error) {
      await network.close();
      throw error;
    }
  }

  /** Gives a carrier's NAT another behaviour, and an empty memory. */
  async setCarrier(name: CarrierName, behaviour: NatBehaviour): Promise<void> {
    const place = { inside: 'homes', outside: 'wan', address: sharedAddress, ports: carriers[name].ports };
    await this.sandbox.shell(natRules(behaviour, place), `carrier-${name}`);
    await this.forgetMappings(`carrier-${name}`);
  }

  /** Gives a home's NAT another behaviour, and an empty memory. */
  async setHome(name: HomeName, behaviour: NatBehaviour): Promise<void> {
    const place = {
      inside: 'phones',
      outside: 'wan',
      address: homes[name].address,
      ports: [1_024, 65_535],
    } as const;
    await this.sandbox.shell(natRules(behaviour, place), `home-${name}`);
    await this.forgetMappings(`home-${name}`);
  }

  /** The outside ports of the shared address that a carrier's NAT remembers. */
  async mappings(name: CarrierName): Promise<readonly number[]> {
    const table = await this.sandbox.shell('conntrack -L -p udp 2>/dev/null', `carrier-${name}`);
    // The reply's destination is the outside address: the second "dst" and "dport" of a line.
    return table.split('\n').flatMap((line) => {
      const port = line.split(' dport=')[2]?.split(' ')[0];
      return port === undefined ? [] : [Number(port)];
    });
  }

  /** A NAT loses its memory, as at a restart: what comes in finds nobody, what leaves gets a new port. */
  async forgetMappings(nat: `carrier-${CarrierName}` | `home-${HomeName}`): Promise<void> {
    await this.sandbox.shell(
      'nft flush set ip nat known; nft flush map ip nat inbound; conntrack -F 2>/dev/null',
      nat,
    );
  }

  /** A namespace for a phone, plugged in somewhere. */
  async addPhone(name: string, place: Place): Promise<void> {
    await this.sandbox.shell(`${namespace(name)}\n${plug(name, place)}`);
  }

  /** Further addresses for a phone's one cable. */
  async addAddresses(name: string, addresses: readonly string[]): Promise<void> {
    const lines = addresses.map(
      (address) => `ip -n ${name} addr add ${address}/${homeNetwork.prefix} dev eth0`,
    );
    await this.sandbox.shell(lines.join('\n'));
  }

  /** Pulls a phone's cable and plugs it in elsewhere. */
  async movePhone(name: string, place: Place): Promise<void> {
    await this.sandbox.shell(`ip -n ${name} link del dev eth0\n${plug(name, place)}`);
  }

  async close(): Promise<void> {
    await this.sandbox.close();
  }
}

function publicSegment(): string {
  return [
    namespace('gateway'),
    namespace('internet'),
    link('gateway', 'eth0', 'internet', 'gateway'),
    `ip -n gateway addr add ${gatewayAddress}/24 dev eth0`,
    `ip -n gateway addr add ${strangerAddress}/24 dev eth0`,
    'ip -n internet addr add 192.0.2.1/24 dev gateway',
    'ip -n gateway route add default via 192.0.2.1',
    'ip netns exec internet sh -c "echo 1 > /proc/sys/net/ipv4/ip_forward"',
    // Rules that look at ports need whole datagrams: tracking puts fragments together.
    `ip netns exec internet nft 'add table ip whole; add chain ip whole datagrams { type filter hook prerouting priority -300; }; add rule ip whole datagrams ct state new accept'`,
    ...carrierNames.map(carrier),
    ...homeNames.map(home),
  ].join('\n');
}

function carrier(name: CarrierName, at: number): string {
  const { link: network, ports } = carriers[name];
  const space = `carrier-${name}`;
  const table = 100 + at;
  return [
    namespace(space),
    link(space, 'wan', 'internet', space),
    `ip -n ${space} addr add ${network}.2/30 dev wan`,
    `ip -n internet addr add ${network}.1/30 dev ${space}`,
    `ip -n ${space} route add default via ${network}.1`,
    `ip -n ${space} addr add ${sharedAddress}/32 dev lo`,
    `ip -n internet route add ${sharedAddress} via ${network}.2 table ${table}`,
    ...['udp', 'tcp'].map(
      (protocol) =>
        `ip -n internet rule add to ${sharedAddress} ipproto ${protocol} dport ${ports.join('-')} lookup ${table}`,
    ),
    bridge(space, 'homes', '100.64.0.1/10'),
  ].join('\n');
}

function home(name: HomeName): string {
  const { carrier: of, address } = homes[name];
  const space = `home-${name}`;
  return [
    namespace(space),
    link(space, 'wan', `carrier-${of}`, space),
    `ip -n carrier-${of} link set dev ${space} master homes`,
    `ip -n ${space} addr add ${address}/10 dev wan`,
    `ip -n ${space} route add default via 100.64.0.1`,
    bridge(space, 'phones', `${homeNetwork.router}/${homeNetwork.prefix}`),
  ].join('\n');
}

function plug(phone: string, { home: at, address }: Place): string {
  return [
    link(phone, 'eth0', `home-${at}`, phone),
    `ip -n home-${at} link set dev ${phone} master phones`,
    `ip -n ${phone} addr add ${address}/${homeNetwork.prefix} dev eth0`,
    `ip -n ${phone} route add default via ${homeNetwork.router}`,
  ].join('\n');
}

function namespace(name: string): string {
  return [
    `ip netns add ${name}`,
    `ip netns exec ${name} sh -c 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6'`,
    `ip -n ${name} link set dev lo up`,
  ].join('\n');
}

function link(space: string, name: string, otherSpace: string, otherName: string): string {
  return [
    `ip link add name ${name} netns ${space} type veth peer name ${otherName} netns ${otherSpace}`,
    `ip -n ${space} link set dev ${name} up`,
    `ip -n ${otherSpace} link set dev ${otherName} up`,
  ].join('\n');
}

function bridge(space: string, name: string, address: string): string {
  return [
    `ip link add name ${name} netns ${space} type bridge`,
    `ip -n ${space} addr add ${address} dev ${name}`,
    `ip -n ${space} link set dev ${name} up`,
  ].join('\n');
}

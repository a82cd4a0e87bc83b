/** How a NAT treats UDP, in the words of RFC 4787. */
export interface NatBehaviour {
  /** §4.1: whether an inside address and port keeps one outside port, whomever it talks to. */
  readonly mapping: 'endpoint-independent' | 'address-and-port-dependent';
  /** §5: who may send to that port: everybody, or only whom the inside has sent to. */
  readonly filtering: 'endpoint-independent' | 'address-and-port-dependent';
  /** §4.2: whether the outside port is the inside port where that is free, or drawn at random. */
  readonly ports: 'preserving' | 'random';
  /** §6: whether two phones inside reach each other at their outside addresses. */
  readonly hairpin: boolean;
  /** §4.3: a mapping that nobody used for so long is forgotten. */
  readonly udpTimeoutSeconds: number;
}

/** What most home routers do: Linux as it comes. */
export const homeRouter: NatBehaviour = {
  mapping: 'endpoint-independent',
  filtering: 'address-and-port-dependent',
  ports: 'preserving',
  hairpin: false,
  udpTimeoutSeconds: 60,
};

/** A carrier's NAT after RFC 6888, that gives out ports at random. */
export const carrierNat: NatBehaviour = { ...homeRouter, ports: 'random', hairpin: true };

/** The NAT that defeats hole punching: another port for everybody whom a phone talks to. */
export const symmetricNat: NatBehaviour = {
  ...homeRouter,
  mapping: 'address-and-port-dependent',
  ports: 'random',
};

/** "Full cone": one port for all, and all may send to it. */
export const fullCone: NatBehaviour = { ...homeRouter, filtering: 'endpoint-independent', hairpin: true };

/** Where a NAT stands: its two interfaces, and the outside address with the ports that it may give out. */
export interface NatPlace {
  readonly inside: string;
  readonly outside: string;
  readonly address: string;
  readonly ports: readonly [low: number, high: number];
}

/**
 * The shell lines that make a namespace such a NAT. The kernel alone gives an inside port the outside port that it
 * has already, else the same number where that is free; `fully-random` draws a port for each destination. What lies
 * between the two (a random port that stays) comes from drawing for sources that are not yet known. Open filtering
 * and hairpinning come from a map that is filled by what leaves. There is no port-preserving symmetric NAT here: the
 * kernel has none.
 */
export function natRules(behaviour: NatBehaviour, place: NatPlace): string {
  const { inside, outside, address, ports } = place;
  const timeout = behaviour.udpTimeoutSeconds;
  const independent = behaviour.mapping === 'endpoint-independent';
  const open = behaviour.filtering === 'endpoint-independent';
  const range = `snat to ${address}:${ports[0]}-${ports[1]}`;
  const preserve = `ip protocol udp ${independent && behaviour.ports === 'preserving' ? range : 'jump draw'}`;
  const draw = [
    ...(independent ? [`ip saddr . udp sport @known ip protocol udp ${range}`] : []),
    'update @known { ip saddr . udp sport }',
    `ip protocol udp ${range} fully-random`,
  ];
  const enter = `ip daddr ${address} dnat ip to udp dport map @inbound`;
  // A hairpinned phone sees its peer's outside address, RFC 4787 §6.
  const leaving = [`oifname "${outside}"`, ...(behaviour.hairpin ? ['meta mark 1'] : [])];
  return `
echo 1 > /proc/sys/net/ipv4/ip_forward
echo ${timeout} > /proc/sys/net/netfilter/nf_conntrack_udp_timeout
echo ${timeout} > /proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream
nft -f - <<'RULES'
table ip nat
delete table ip nat
table ip nat {
  set known { type ipv4_addr . inet_service; flags dynamic,timeout; timeout ${timeout}s; size 65535; }
  map inbound {
    type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout ${timeout}s; size 65535;
  }
  chain enter {
    type nat hook prerouting priority dstnat
    ${open ? `iifname "${outside}" ${enter}` : ''}
    ${behaviour.hairpin ? `iifname "${inside}" meta mark set 1 ${enter}` : ''}
  }
  chain draw {
    ${draw.join('\n    ')}
  }
  chain leave {
    type nat hook postrouting priority srcnat
    ${leaving.map((way) => `${way} ${preserve}`).join('\n    ')}
    oifname "${outside}" ip protocol tcp ${range}
  }
  chain stay {
    type filter hook postrouting priority srcnat - 10
    oifname "${outside}" ip saddr . udp sport @known update @known { ip saddr . udp sport }
  }
  chain remember {
    type filter hook postrouting priority srcnat + 10
    oifname "${outside}" ip protocol udp ct direction original update @inbound { udp sport : ct original ip saddr . ct original proto-src }
  }
  chain closed {
    type filter hook input priority filter
    ip daddr ${address} drop
  }
}
RULES
`;
}

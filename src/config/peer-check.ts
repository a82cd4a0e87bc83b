import type { PeerConfig } from './peers.ts';

type Report = (path: readonly PropertyKey[], message: string) => void;

/** What no entry of `peers` can tell alone. */
export function checkPeers(peers: readonly PeerConfig[], report: Report): void {
  const names = new Set<string>();
  let registering: string | undefined;
  peers.forEach((peer, index) => {
    const { name, role, registrations, credential, calls } = peer;
    const wrong = (key: readonly PropertyKey[], message: string): void =>
      report(['peers', index, ...key], message);
    if (names.has(name)) wrong(['name'], `"${name}" names two peers`);
    names.add(name);
    checkReferences(peer, peers, wrong);
    if (registrations.by === 'nobody') return;
    if (role === 'trunk' && registrations.by === 'phones')
      wrong(['registrations', 'by'], 'phones register at a pbx, not at a trunk');
    if (role === 'trunk' && credential === undefined) wrong(['credential'], 'must be given: who registers');
    if (registrations.by === 'phones' && calls !== 'all')
      wrong(['calls'], 'must be "all" where the phones prove themselves to the PBX only');
    if (role === 'trunk') return;
    if (registering !== undefined)
      wrong(['registrations', 'by'], `phones are registered at "${registering}" already`);
    registering = name;
  });
}

function checkReferences(
  peer: PeerConfig,
  peers: readonly PeerConfig[],
  wrong: (key: readonly PropertyKey[], message: string) => void,
): void {
  const isOther = (name: string): boolean =>
    name !== peer.name && peers.some((candidate) => candidate.name === name);
  peer.from.forEach((name, at) => {
    if (!isOther(name)) wrong(['from', at], `"${name}" is no other peer`);
  });
  peer.numbers.forEach((entry, at) => {
    if (entry.peer !== undefined && !isOther(entry.peer))
      wrong(['numbers', at, 'peer'], `"${entry.peer}" is no other peer`);
  });
}

import type { Endpoint } from './flow.ts';

/** A peer that promised keepalives may miss one: lost datagrams and late timers are no death. */
const missedIntervals = 2;

interface Promised {
  readonly remote: Endpoint;
  readonly silenceMs: number;
  heardAtMs: number;
}

/** For how long a peer that agreed to `keep=seconds` (RFC 6223 §4) may be silent. */
export function toleratedSilenceMs(seconds: number): number {
  return seconds * 1_000 * missedIntervals;
}

/**
 * The UDP peers that promised keepalives, and when each was last heard: datagrams have no connection whose end could
 * be noticed. Bounded; a peer beyond the bound is not watched.
 */
export class KeepaliveWatch {
  readonly #peers = new Map<string, Promised>();
  readonly #maxPeers: number;

  constructor(maxPeers: number) {
    this.#maxPeers = maxPeers;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** 0 seconds: no longer promised. */
  expect(key: string, remote: Endpoint, seconds: number, nowMs: number): void {
    if (seconds === 0) this.#peers.delete(key);
    else if (this.#peers.size < this.#maxPeers || this.#peers.has(key))
      this.#peers.set(key, { remote, silenceMs: toleratedSilenceMs(seconds), heardAtMs: nowMs });
  }

  heard(key: string, nowMs: number): void {
    const peer = this.#peers.get(key);
    if (peer !== undefined) peer.heardAtMs = nowMs;
  }

  forget(key: string): void {
    this.#peers.delete(key);
  }

  /** Takes out those that have been silent for too long. */
  takeSilent(nowMs: number): readonly Endpoint[] {
    const silent: Endpoint[] = [];
    for (const [key, peer] of this.#peers) {
      if (nowMs - peer.heardAtMs < peer.silenceMs) continue;
      this.#peers.delete(key);
      silent.push(peer.remote);
    }
    return silent;
  }

  clear(): void {
    this.#peers.clear();
  }
}

import { canonicalAddress, inSameNetwork } from '../sdp/index.ts';
import { packetKinds, uint16, uint32 } from './packet.ts';

/** After so many packets the source is learned and strict: fewer than five (CVE-2025-53399). */
export const learningPackets = 4;

/** A source that has said nothing for so long, while learning is allowed, gives way to another. */
const silentMs = 200;

/** How far the sequence numbers of a source that must prove itself may be apart. */
const maxSequenceStep = 16;

/** From which addresses, other than those that signalling vouches for, media may be learned. */
export type LearnFrom = 'address' | 'network' | 'any';

export interface Source {
  readonly address: string;
  readonly port: number;
}

/** What signalling says of where a party's media will come from. */
export interface Evidence {
  /** Where its signalling comes from. */
  readonly observed: string;
  /** Where its description says that it receives. */
  readonly signalled: Source | undefined;
  /** Whether media may go to the signalled place before any has come from there. */
  readonly sendAhead: boolean;
}

/** What is known of the RTP of a party, for its RTCP. */
export interface Companion {
  readonly address: string;
  readonly ssrc: number;
}

/** What of a source signalling vouches for: 0 nothing, 1 its network, 2 its address, 3 its address and port. */
type Rank = 0 | 1 | 2 | 3;

interface Candidate extends Source {
  rank: Rank;
  /** Packets since learning was last allowed. */
  heard: number;
  heardAtMs: number;
}

/** A source that signalling does not vouch for: it must show a few consecutive packets before it counts at all. */
interface Unproven extends Source {
  readonly ssrc: number;
  sequence: number;
  packets: number;
}

/**
 * Finds out where a party's media comes from and goes to (symmetric RTP, RFC 4961), and then holds on to it. Once
 * learned, packets from elsewhere are refused until `authorize` allows learning again, for a while.
 */
export class Latch {
  readonly #learnFrom: LearnFrom;
  readonly #relearnMs: number;
  readonly #companion: (() => Companion | undefined) | undefined;
  #evidence: Evidence | undefined;
  #current: Candidate | undefined;
  #unproven: Unproven | undefined;
  #learning = true;
  /** Infinite until something was learned: a phone may begin to speak late. */
  #learnsUntilMs = Number.POSITIVE_INFINITY;
  #moves = 0;

  /** With `companion` it is for RTCP, and goes by what is known of the party's RTP. */
  constructor(learnFrom: LearnFrom, relearnMs: number, companion?: () => Companion | undefined) {
    this.#learnFrom = learnFrom;
    this.#relearnMs = relearnMs;
    this.#companion = companion;
  }

  /** How often the source became another one after it was learned. */
  get moves(): number {
    return this.#moves;
  }

  get source(): Source | undefined {
    return this.#current;
  }

  /** Where the party's media goes. */
  get target(): Source | undefined {
    const { signalled, sendAhead = false } = this.#evidence ?? {};
    return this.#current ?? (sendAhead ? signalled : undefined);
  }

  /** The party's identity speaks: its media may come from another place than so far. */
  authorize(evidence: Evidence, nowMs: number): void {
    const before = this.#evidence;
    this.#evidence = evidence;
    this.#learning = true;
    this.#unproven = undefined;
    const current = this.#current;
    if (current === undefined) return;
    this.#learnsUntilMs = nowMs + this.#relearnMs;
    const { signalled, sendAhead } = evidence;
    if (
      sendAhead &&
      signalled !== undefined &&
      !isAt(before?.signalled, signalled) &&
      !isAt(current, signalled)
    ) {
      // A party that is where it says it is has moved: media goes there at once.
      this.#current = undefined;
      this.#moves += 1;
    } else {
      current.heard = 0;
      current.rank = this.#rankOf(current.address, current.port);
    }
  }

  /** As after a restart: a source that was learned before. */
  restore(source: Source): void {
    this.#current = { ...source, rank: 2, heard: learningPackets, heardAtMs: 0 };
    this.#learning = false;
  }

  /** Whether a packet is let in. Called for each one: what is learned passes without any allocation. */
  accept(packet: Uint8Array, kind: number, address: string, port: number, nowMs: number): boolean {
    const current = this.#current;
    const known = current !== undefined && current.port === port && current.address === address;
    if (!this.#learning) return known;
    if (nowMs > this.#learnsUntilMs) {
      this.#learning = false;
      return known;
    }
    if (!known) return this.#consider(packet, kind, address, port, nowMs);
    // RFC 8445: checks may come from several places; what is to stay is shown by media.
    if (kind !== packetKinds.stun) {
      current.heard += 1;
      current.heardAtMs = nowMs;
      // What only keeps coming from the place that was left does not end the search for the new one.
      if (current.heard >= learningPackets && current.rank >= 2) this.#learning = false;
    }
    return true;
  }

  #consider(packet: Uint8Array, kind: number, address: string, port: number, nowMs: number): boolean {
    const rank = this.#rankOf(address, port);
    if (rank === 0 || (rank === 1 && !this.#proves(packet, kind, address, port))) return false;
    if (rank === 2 && !this.#isOfCompanion(packet, kind)) return false;
    const current = this.#current;
    const again = this.#learnsUntilMs !== Number.POSITIVE_INFINITY;
    const stale = current !== undefined && (current.heard === 0 || nowMs - current.heardAtMs > silentMs);
    // Nobody whom signalling vouches for less takes the place of a party that is merely silent, as on hold.
    const displaced =
      current === undefined ||
      rank > current.rank ||
      (stale && rank >= Math.min(current.rank, 2) && (again || rank >= 2));
    if (!displaced) return false;
    // The first candidates of a party that was never learned are no moves.
    if (current !== undefined && again) this.#moves += 1;
    const heard = rank === 1 ? learningPackets : kind === packetKinds.stun ? 0 : 1;
    this.#current = { address, port, rank, heard, heardAtMs: nowMs };
    this.#unproven = undefined;
    return true;
  }

  #rankOf(address: string, port: number): Rank {
    const evidence = this.#evidence;
    if (evidence === undefined) return 0;
    const { observed, signalled } = evidence;
    if (isAt(signalled, { address, port })) return 3;
    if (address === observed || address === signalled?.address) return 2;
    // A NAT gives both halves of a stream the same address, though not the port.
    if (this.#companion !== undefined && address === this.#companion()?.address) return 2;
    if (this.#learnFrom === 'any') return 1;
    return this.#learnFrom === 'network' && inSameNetwork(address, observed) ? 1 : 0;
  }

  /** Others behind the same NAT do not know the SSRC: RTCP may come too seldom to learn from who speaks first. */
  #isOfCompanion(packet: Uint8Array, kind: number): boolean {
    if (this.#companion === undefined || kind !== packetKinds.rtcp) return true;
    return uint32(packet, 4) === this.#companion()?.ssrc;
  }

  /** True with the last of a few consecutive RTP packets of one source. */
  #proves(packet: Uint8Array, kind: number, address: string, port: number): boolean {
    if (kind !== packetKinds.rtp) return false;
    const ssrc = uint32(packet, 8);
    const sequence = uint16(packet, 2);
    const unproven = this.#unproven;
    const step = unproven === undefined ? 0 : (sequence - unproven.sequence) & 0xffff;
    if (
      unproven === undefined ||
      !isAt(unproven, { address, port }) ||
      unproven.ssrc !== ssrc ||
      step === 0 ||
      step > maxSequenceStep
    ) {
      this.#unproven = { address, port, ssrc, sequence, packets: 1 };
      return false;
    }
    unproven.sequence = sequence;
    unproven.packets += 1;
    return unproven.packets >= learningPackets;
  }
}

/** Addresses of evidence in the writing in which the kernel names sources. */
export function canonicalEvidence({ observed, signalled, sendAhead }: Evidence): Evidence {
  return {
    observed: canonicalAddress(observed),
    signalled: signalled && { ...signalled, address: canonicalAddress(signalled.address) },
    sendAhead,
  };
}

function isAt(one: Source | undefined, { address, port }: Source): boolean {
  return one !== undefined && one.port === port && one.address === address;
}

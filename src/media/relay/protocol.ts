import type { MediaParty, StreamReport } from '../engine.ts';
import type { LearnFrom, Source } from './latch.ts';
import type { PortRange } from './port-pool.ts';

/** What the relay's thread is started with. */
export interface RelaySettings {
  readonly ports: PortRange;
  readonly learnFrom: LearnFrom;
  /** How long after a re-INVITE or UPDATE another source may be learned. */
  readonly relearnMs: number;
  /** A session in which nothing comes for so long is released; the second while a party holds the call. */
  readonly silenceMs: number;
  readonly holdMs: number;
  /** How often sessions are looked over for silence. */
  readonly sweepIntervalMs: number;
}

/** What one description says of one anchored m-line. */
export interface StreamSetup {
  readonly index: number;
  readonly kind: string;
  /** Which kinds of packets are let in, as bits of `packetKinds`. */
  readonly rtpKinds: number;
  readonly rtcpKinds: number;
  /** Where the sender says that it receives; undefined when that is nowhere in particular. */
  readonly rtp: Source | undefined;
  readonly rtcp: Source | undefined;
  /** Nobody expects media all the time. */
  readonly held: boolean;
  readonly clockRates: readonly (readonly [payloadType: number, hertz: number])[];
}

/** The ports that the receiver of a description sends to. `rtcp` is `rtp + 1`. */
export interface PortPair {
  readonly rtp: number;
  readonly rtcp: number;
}

export interface ExchangeOrder {
  readonly kind: 'exchange';
  readonly order: number;
  readonly session: string;
  readonly from: MediaParty;
  readonly answer: boolean;
  /** Where the sender's signalling comes from. */
  readonly observed: string;
  readonly sendAhead: boolean;
  /** Our address that the receiver is told. */
  readonly bind: string;
  readonly streams: readonly StreamSetup[];
  /** After a restart: the ports that were told, by m-line. */
  readonly ports?: readonly (PortPair | undefined)[];
}

export type RelayOrder =
  | ExchangeOrder
  | {
      readonly kind: 'reauthorize';
      readonly session: string;
      readonly party: MediaParty;
      readonly observed: string;
    }
  | { readonly kind: 'restore'; readonly session: string; readonly sources: readonly LearnedSource[] }
  | { readonly kind: 'query' | 'release'; readonly order: number; readonly session: string };

/** Where one half of a stream of one party was learned. */
export interface LearnedSource {
  readonly party: MediaParty;
  readonly index: number;
  readonly rtcp: boolean;
  readonly source: Source;
}

export type RelayNotice =
  | { readonly kind: 'ready'; readonly pairs: number }
  | { readonly kind: 'ports'; readonly order: number; readonly ports: readonly (PortPair | undefined)[] }
  | { readonly kind: 'exhausted'; readonly order: number }
  | { readonly kind: 'report'; readonly order: number; readonly streams: readonly StreamReport[] | undefined }
  | { readonly kind: 'learned'; readonly session: string; readonly learned: LearnedSource }
  | { readonly kind: 'silent'; readonly session: string; readonly streams: readonly StreamReport[] };

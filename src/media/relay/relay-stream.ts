import type { MediaParty, StreamReport } from '../engine.ts';
import { canonicalEvidence, Latch } from './latch.ts';
import type { LearnedSource, PortPair, RelaySettings, StreamSetup } from './protocol.ts';
import { Reception } from './reception.ts';
import { openSocket, RelaySocket } from './relay-socket.ts';

export type StreamSettings = Pick<RelaySettings, 'learnFrom' | 'relearnMs'>;

/** One party's half of a stream: the ports that it sends to, and where its media comes from. */
class Side {
  readonly rtpLatch: Latch;
  readonly rtcpLatch: Latch;
  readonly reception: Reception;
  setup: StreamSetup | undefined;
  /** The pair of ports; kept when the one for RTCP is closed. */
  port: number | undefined;
  rtp: RelaySocket | undefined;
  rtcp: RelaySocket | undefined;
  /** Of sockets that were closed. */
  dropped = 0;

  constructor({ learnFrom, relearnMs }: StreamSettings, clockRates: ReadonlyMap<number, number>) {
    this.rtpLatch = new Latch(learnFrom, relearnMs);
    this.reception = new Reception(clockRates);
    this.rtcpLatch = new Latch(learnFrom, relearnMs, () => {
      const { source } = this.rtpLatch;
      return source && { address: source.address, ssrc: this.reception.ssrc };
    });
  }
}

/** One m-line of a session: two parties, and what goes from one to the other. */
export class RelayStream {
  readonly index: number;
  readonly kind: string;
  readonly #onLearned: (learned: LearnedSource) => void;
  readonly #clockRates = new Map<number, number>();
  readonly #sides: Readonly<Record<MediaParty, Side>>;

  constructor(setup: StreamSetup, settings: StreamSettings, onLearned: (learned: LearnedSource) => void) {
    this.index = setup.index;
    this.kind = setup.kind;
    this.#onLearned = onLearned;
    this.#sides = {
      caller: new Side(settings, this.#clockRates),
      callee: new Side(settings, this.#clockRates),
    };
  }

  get held(): boolean {
    const { caller, callee } = this.#sides;
    return caller.setup?.held === true || callee.setup?.held === true;
  }

  /** When something was last let in, from either party. */
  get lastAtMs(): number {
    const { caller, callee } = this.#sides;
    const times = [caller.rtp, caller.rtcp, callee.rtp, callee.rtcp].map(
      (socket) => socket?.lastAtMs ?? Number.NEGATIVE_INFINITY,
    );
    return Math.max(...times);
  }

  portOf(party: MediaParty): number | undefined {
    return this.#sides[party].port;
  }

  /** What a party has described: where its media goes, and from where it may come now. */
  describe(party: MediaParty, setup: StreamSetup, observed: string, sendAhead: boolean): void {
    const side = this.#sides[party];
    side.setup = setup;
    for (const [payloadType, hertz] of setup.clockRates) this.#clockRates.set(payloadType, hertz);
    this.#authorize(side, observed, sendAhead);
    this.#admit(side);
  }

  /** The party speaks from another address now; its description stands. */
  reauthorize(party: MediaParty, observed: string): void {
    const side = this.#sides[party];
    if (side.setup !== undefined) this.#authorize(side, observed, false);
  }

  restore({ party, rtcp, source }: LearnedSource): void {
    const side = this.#sides[party];
    (rtcp ? side.rtcpLatch : side.rtpLatch).restore(source);
  }

  /** Opens what the party is to send to; rejects, leaving nothing new open, when a port is taken by somebody else. */
  async open(party: MediaParty, address: string, port: number): Promise<void> {
    const side = this.#sides[party];
    const [rtp, rtcp] = await Promise.allSettled([openSocket(address, port), openSocket(address, port + 1)]);
    if (rtp.status === 'rejected' || rtcp.status === 'rejected') {
      for (const opened of [rtp, rtcp]) if (opened.status === 'fulfilled') opened.value.close();
      throw new Error('a media port is taken');
    }
    side.port = port;
    side.rtp = new RelaySocket({
      socket: rtp.value,
      latch: side.rtpLatch,
      reception: side.reception,
      onLearned: (source) => this.#onLearned({ party, index: this.index, rtcp: false, source }),
    });
    side.rtcp = new RelaySocket({
      socket: rtcp.value,
      latch: side.rtcpLatch,
      reception: undefined,
      onLearned: (source) => this.#onLearned({ party, index: this.index, rtcp: true, source }),
    });
    this.#admit(side);
    this.#join();
  }

  ports(party: MediaParty): PortPair | undefined {
    const { port } = this.#sides[party];
    return port === undefined ? undefined : { rtp: port, rtcp: port + 1 };
  }

  /** Closes a party's ports, as when they are to be opened at another address; returns the pair. */
  close(party: MediaParty): number | undefined {
    const side = this.#sides[party];
    const { port } = side;
    for (const socket of [side.rtp, side.rtcp]) {
      side.dropped += socket?.dropped ?? 0;
      socket?.close();
    }
    side.rtp = undefined;
    side.rtcp = undefined;
    side.port = undefined;
    this.#join();
    return port;
  }

  report(): StreamReport[] {
    return (['caller', 'callee'] as const).map((from) => {
      const { reception, rtpLatch, rtp, rtcp, dropped } = this.#sides[from];
      const { packets, bytes, lost, jitterMs } = reception;
      return {
        index: this.index,
        kind: this.kind,
        from,
        packets,
        bytes,
        lost,
        jitterMs,
        moves: rtpLatch.moves,
        dropped: dropped + (rtp?.dropped ?? 0) + (rtcp?.dropped ?? 0),
      };
    });
  }

  #authorize({ setup, rtpLatch, rtcpLatch }: Side, observed: string, sendAhead: boolean): void {
    const nowMs = performance.now();
    rtpLatch.authorize(canonicalEvidence({ observed, signalled: setup?.rtp, sendAhead }), nowMs);
    rtcpLatch.authorize(canonicalEvidence({ observed, signalled: setup?.rtcp, sendAhead }), nowMs);
  }

  #admit({ setup, rtp, rtcp }: Side): void {
    if (rtp !== undefined) rtp.allowed = setup?.rtpKinds ?? 0;
    if (rtcp !== undefined) rtcp.allowed = setup?.rtcpKinds ?? 0;
  }

  /** What comes from one party goes out at the port that the other sends to. */
  #join(): void {
    const { caller, callee } = this.#sides;
    for (const [one, other] of [
      [caller, callee],
      [callee, caller],
    ] as const) {
      if (one.rtp !== undefined) one.rtp.opposite = other.rtp;
      if (one.rtcp !== undefined) one.rtcp.opposite = other.rtcp;
    }
  }
}

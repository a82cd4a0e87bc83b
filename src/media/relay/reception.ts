import { uint16, uint32 } from './packet.ts';

/** RFC 3551 §6: clock rates of the payload types that need no rtpmap. */
export function staticClockRate(payloadType: number): number | undefined {
  if (payloadType === 6) return 16_000;
  if (payloadType === 10 || payloadType === 11) return 44_100;
  if (payloadType <= 18) return 8_000;
  return payloadType >= 25 && payloadType <= 34 ? 90_000 : undefined;
}

/** RFC 3550 §A.1: a jump of more than this begins a new count. */
const maxJump = 3_000;

/** What one party sent in one stream: packets, loss and jitter as a receiver would count them (RFC 3550 §6.4.1). */
export class Reception {
  readonly #clockRates: ReadonlyMap<number, number>;
  #packets = 0;
  #bytes = 0;
  /** Expected, less received, of the sources that came before the present one. */
  #lostBefore = 0;
  #ssrc = -1;
  #base = 0;
  #highest = 0;
  #received = 0;
  #jitter = 0;
  #jitterRate = 0;
  #transit = 0;
  #payloadType = -1;
  #rate: number | undefined;

  constructor(clockRates: ReadonlyMap<number, number>) {
    this.#clockRates = clockRates;
  }

  /** Of the latest source; -1 before any. */
  get ssrc(): number {
    return this.#ssrc;
  }

  get packets(): number {
    return this.#packets;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get lost(): number {
    return this.#lostBefore + (this.#received === 0 ? 0 : this.#highest - this.#base + 1 - this.#received);
  }

  get jitterMs(): number | undefined {
    return this.#jitterRate === 0 ? undefined : (this.#jitter * 1_000) / this.#jitterRate;
  }

  /** Media that is no RTP: counted only. */
  count(length: number): void {
    this.#packets += 1;
    this.#bytes += length;
  }

  rtp(packet: Uint8Array, nowMs: number): void {
    this.count(packet.length);
    const ssrc = uint32(packet, 8);
    const sequence = uint16(packet, 2);
    const payloadType = (packet[1] ?? 0) & 0x7f;
    // Extended by the number of times that the 16 bits have run over.
    const step = ((sequence - this.#highest) << 16) >> 16;
    if (ssrc !== this.#ssrc || step > maxJump || step < -maxJump) this.#begin(ssrc, sequence);
    else if (step > 0) this.#highest += step;
    this.#received += 1;
    if (payloadType !== this.#payloadType) {
      this.#payloadType = payloadType;
      this.#rate = this.#clockRates.get(payloadType) ?? staticClockRate(payloadType);
      this.#transit = Number.NaN;
    }
    if (this.#rate !== undefined) this.#measureJitter(uint32(packet, 4), this.#rate, nowMs);
  }

  #begin(ssrc: number, sequence: number): void {
    this.#lostBefore = this.lost;
    this.#ssrc = ssrc;
    this.#base = sequence;
    this.#highest = sequence;
    this.#received = 0;
    this.#transit = Number.NaN;
  }

  /** RFC 3550 §A.8. */
  #measureJitter(timestamp: number, rate: number, nowMs: number): void {
    const transit = (nowMs * rate) / 1_000 - timestamp;
    if (this.#jitterRate !== rate) {
      this.#jitterRate = rate;
      this.#jitter = 0;
    } else if (!Number.isNaN(this.#transit)) {
      const difference = Math.abs(transit - this.#transit);
      // A timestamp that ran over, or began anew, says nothing about the path.
      if (difference < rate) this.#jitter += (difference - this.#jitter) / 16;
    }
    this.#transit = transit;
  }
}

import type { Flow } from '../sip/index.ts';
import type { Assurance } from './principal.ts';

export interface SpeakerLimits {
  /** Identities that one flow speaks for without asking each for its proof again. */
  readonly maxPerFlow: number;
  /** Of the UDP flows, which never close, those that are remembered at a time. */
  readonly maxUdpFlows: number;
}

export const defaultSpeakerLimits: SpeakerLimits = { maxPerFlow: 1_000, maxUdpFlows: 10_000 };

/**
 * Who has proved itself on a flow, and how well: phones with several lines and proxies bring many. Beyond the limits the
 * oldest is the first to be asked for its proof again.
 */
export class Speakers {
  readonly #limits: SpeakerLimits;
  readonly #byFlow = new Map<string, Map<string, Assurance>>();
  readonly #udpFlows = new Set<string>();

  constructor(limits: SpeakerLimits) {
    this.#limits = limits;
  }

  add(flow: Flow, fingerprint: string, assurance: Assurance): void {
    const speakers = this.#byFlow.get(flow.id) ?? new Map<string, Assurance>();
    this.#byFlow.set(flow.id, speakers);
    // The newest last.
    speakers.delete(fingerprint);
    speakers.set(fingerprint, assurance);
    for (const [oldest] of speakers) if (speakers.size > this.#limits.maxPerFlow) speakers.delete(oldest);
    if (!flow.reliable) this.#keepUdp(flow.id);
  }

  /** Whether anybody has proved itself on this flow. */
  on(flow: Flow): boolean {
    return this.#byFlow.size > 0 && this.#byFlow.has(flow.id);
  }

  assuranceOf(flow: Flow, fingerprint: string): Assurance | undefined {
    return this.#byFlow.get(flow.id)?.get(fingerprint);
  }

  /** Whoever speaks on any flow; some more than once. */
  *all(): Iterable<string> {
    for (const speakers of this.#byFlow.values()) yield* speakers.keys();
  }

  /** This identity speaks nowhere any more. */
  silence(fingerprint: string): void {
    for (const speakers of this.#byFlow.values()) speakers.delete(fingerprint);
  }

  forget(flow: Flow): void {
    this.#byFlow.delete(flow.id);
    this.#udpFlows.delete(flow.id);
  }

  #keepUdp(id: string): void {
    this.#udpFlows.delete(id);
    this.#udpFlows.add(id);
    for (const oldest of this.#udpFlows) {
      if (this.#udpFlows.size <= this.#limits.maxUdpFlows) break;
      this.#udpFlows.delete(oldest);
      this.#byFlow.delete(oldest);
    }
  }
}

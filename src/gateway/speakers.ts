import type { Flow } from '../sip/index.ts';
import type { Assurance } from './principal.ts';

export interface SpeakerLimits {
  /** Identities that one flow speaks for without asking each for its proof again. */
  readonly maxPerFlow: number;
  /** Of the UDP flows, which never close, those that are remembered at a time. */
  readonly maxUdpFlows: number;
}

export const defaultSpeakerLimits: SpeakerLimits = { maxPerFlow: 1_000, maxUdpFlows: 10_000 };

/** The only one of a flow, as nearly every flow has: a map of its own takes five times the memory. */
interface Speaker {
  readonly fingerprint: string;
  readonly assurance: Assurance;
}

/**
 * Who has proved itself on a flow, and how well: phones with several lines and proxies bring many. Beyond the limits the
 * oldest is the first to be asked for its proof again.
 */
export class Speakers {
  readonly #limits: SpeakerLimits;
  readonly #byFlow = new Map<string, Speaker | Map<string, Assurance>>();
  readonly #udpFlows = new Set<string>();

  constructor(limits: SpeakerLimits) {
    this.#limits = limits;
  }

  add(flow: Flow, fingerprint: string, assurance: Assurance): void {
    const present = this.#byFlow.get(flow.id);
    if (present === undefined || isOnly(present, fingerprint))
      this.#byFlow.set(flow.id, { fingerprint, assurance });
    else this.#byFlow.set(flow.id, this.#joined(asMap(present), fingerprint, assurance));
    if (!flow.reliable) this.#keepUdp(flow.id);
  }

  /** Whether anybody has proved itself on this flow. */
  on(flow: Flow): boolean {
    return this.#byFlow.size > 0 && this.#byFlow.has(flow.id);
  }

  assuranceOf(flow: Flow, fingerprint: string): Assurance | undefined {
    const present = this.#byFlow.get(flow.id);
    if (present instanceof Map) return present.get(fingerprint);
    return present?.fingerprint === fingerprint ? present.assurance : undefined;
  }

  /** Whoever speaks on any flow; some more than once. */
  *all(): Iterable<string> {
    for (const present of this.#byFlow.values())
      if (present instanceof Map) yield* present.keys();
      else yield present.fingerprint;
  }

  /** This identity speaks nowhere any more. */
  silence(fingerprint: string): void {
    for (const [id, present] of this.#byFlow)
      if (present instanceof Map) present.delete(fingerprint);
      else if (present.fingerprint === fingerprint) this.#byFlow.set(id, new Map());
  }

  forget(flow: Flow): void {
    this.#byFlow.delete(flow.id);
    this.#udpFlows.delete(flow.id);
  }

  #joined(
    speakers: Map<string, Assurance>,
    fingerprint: string,
    assurance: Assurance,
  ): Map<string, Assurance> {
    // The newest last.
    speakers.delete(fingerprint);
    speakers.set(fingerprint, assurance);
    for (const [oldest] of speakers) if (speakers.size > this.#limits.maxPerFlow) speakers.delete(oldest);
    return speakers;
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

function isOnly(present: Speaker | Map<string, Assurance>, fingerprint: string): boolean {
  return !(present instanceof Map) && present.fingerprint === fingerprint;
}

function asMap(present: Speaker | Map<string, Assurance>): Map<string, Assurance> {
  return present instanceof Map ? present : new Map([[present.fingerprint, present.assurance]]);
}

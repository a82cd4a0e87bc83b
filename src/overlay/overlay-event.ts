import { type Clock, encodeBase64Url } from '../base/index.ts';
import { addressParty, type RecordDraft, type RecordId } from '../provenance/index.ts';
import { type Fingerprint, sha256 } from '../tokens/index.ts';

export type OverlayEventKind =
  | 'enrolment'
  | 'approval'
  | 'revocation'
  | 'succession'
  | 'forgetting'
  | 'alias'
  | 'device'
  | 'registration'
  | 'deregistration'
  | 'endpoint'
  | 'verification'
  | 'resolution';

/** Numbers are integers: a record holds no floating point. */
export type EventFact = string | number | boolean;

/** Something that has happened to an identity, or was refused: all that its TIBET record needs. */
export interface OverlayEvent {
  readonly kind: OverlayEventKind;
  readonly outcome: 'done' | 'refused';
  /** Why it was refused. */
  readonly code: string | undefined;
  readonly atMs: number;
  readonly node: string;
  /** The name, alias or fingerprint as it was given. */
  readonly asked: string;
  /** Undefined when there is no such identity. */
  readonly identity: { readonly fingerprint: Fingerprint; readonly name: string } | undefined;
  readonly facts: Readonly<Record<string, EventFact>>;
  /** The tokens, signed records and challenges that it rests on. */
  readonly evidence: readonly Uint8Array[];
  /** Why somebody wanted it; never empty. */
  readonly intent: string;
}

/** The four layers of an event's record; `parents` are the records on which it rests. */
export function overlayRecord(event: OverlayEvent, parents: readonly RecordId[] = []): RecordDraft {
  const { kind, outcome, code, asked, identity, facts, evidence } = event;
  return {
    erin: {
      ...facts,
      event: `overlay.${kind}`,
      outcome,
      ...(code !== undefined && { code }),
      asked,
      ...(identity && { identity: identity.name, fingerprint: identity.fingerprint }),
    },
    eraan: { parents, tokens: evidence.map((bytes) => encodeBase64Url(sha256(bytes))) },
    eromheen: { node: event.node, time: new Date(event.atMs).toISOString() },
    erachter: event.intent,
    parties: [
      {
        fingerprint: identity?.fingerprint ?? addressParty(asked),
        role: 'subject',
        owns: { erin: ['asked', 'identity', 'fingerprint', ...Object.keys(facts)] },
      },
    ],
  };
}

/** What differs from event to event; `identity` may be given as any record that holds both fields. */
export interface EventDetails {
  readonly asked: string;
  readonly identity?: { readonly fingerprint: Fingerprint; readonly name: string } | undefined;
  readonly facts?: Readonly<Record<string, EventFact>>;
  readonly evidence?: readonly Uint8Array[];
  readonly intent: string;
}

/** Hands events to whoever records them, with time and node. */
export class EventReporter {
  readonly #clock: Clock;
  readonly #node: string;
  readonly #onEvent: (event: OverlayEvent) => void;

  constructor(clock: Clock, node: string, onEvent: (event: OverlayEvent) => void) {
    this.#clock = clock;
    this.#node = node;
    this.#onEvent = onEvent;
  }

  done(kind: OverlayEventKind, details: EventDetails): void {
    this.#report(kind, 'done', undefined, details);
  }

  refused(kind: OverlayEventKind, code: string, details: EventDetails): void {
    this.#report(kind, 'refused', code, details);
  }

  #report(
    kind: OverlayEventKind,
    outcome: OverlayEvent['outcome'],
    code: string | undefined,
    { asked, identity, facts = {}, evidence = [], intent }: EventDetails,
  ): void {
    this.#onEvent({
      kind,
      outcome,
      code,
      atMs: this.#clock.now(),
      node: this.#node,
      asked,
      identity: identity && { fingerprint: identity.fingerprint, name: identity.name },
      facts,
      evidence,
      intent,
    });
  }
}

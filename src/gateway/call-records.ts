import { type Clock, type Random, randomId } from '../base/index.ts';
import {
  type AppendResult,
  addressParty,
  type DraftParty,
  type Layer,
  type RecordId,
} from '../provenance/index.ts';
import { type Flow, type ForwardedRequest, ownText, type SipRequest } from '../sip/index.ts';
import type { Audit } from './audit.ts';
import { circumstances, peerCircumstances } from './context.ts';
import type { MediaQuality } from './media/compose-media.ts';
import { RecordQueue } from './record-queue.ts';

/** What the parties wrote goes into records up to here, in characters: no call goes unrecorded for its length. */
const maxTextLength = 1_024;

/** How a call ended; `interrupted` is said at the next start of a gateway that died during the call. */
export type Outcome =
  | 'answered'
  | 'busy'
  | 'cancelled'
  | 'failed'
  | 'interrupted'
  | 'lost'
  | 'refused'
  | 'unanswered'
  | 'unknown'
  | 'unreachable';

export interface CallParty {
  /** Undefined for a party that the gateway knows by no identity, such as a number behind a trunk. */
  readonly fingerprint: string | undefined;
  readonly label: string;
  /** Of a party without identity, where it is not the label. */
  readonly address?: string;
}

interface LoggedParty extends CallParty {
  /** Its fingerprint, or the one that stands for its address: every party can be erased. */
  readonly loggedAs: string;
}

export interface AttemptFacts {
  readonly request: SipRequest;
  readonly flow: Flow;
  readonly caller: CallParty;
  readonly callee: CallParty;
  readonly assurance: number;
  /** Who signed the intent: the caller's device or this gateway on its behalf. */
  readonly signedBy: 'device' | 'gateway' | 'nobody';
  readonly intent: string;
  /** Base64url SHA-256 of the intent token. */
  readonly tokens: readonly string[];
  /** That token, and who has signed it: stands in ERACHTER, so that it goes with either party. */
  readonly signed: Layer | undefined;
  /** The registrations that the call rests on. */
  readonly parents: readonly RecordId[];
}

/** One call from its attempt to its closing record. */
export interface Call {
  readonly id: string;
  readonly sipCallId: string;
  readonly callerTag: string;
  /** CSeq number of its INVITE: an ACK with a lower one is for a challenge before. */
  readonly cseq: number;
  /** Where it came from: half of what its flow token says. */
  readonly callerFlow: string;
  readonly caller: LoggedParty;
  readonly callee: LoggedParty;
  readonly intent: string;
  readonly attemptedAtMs: number;
  answeredAtMs: number | undefined;
  ringing: boolean;
  closed: boolean;
  /** While it waits for an answer. */
  pending?: ForwardedRequest | undefined;
  /** Once it is answered: what `readDialog` reads. */
  dialog?: string | undefined;
  /** To tags of the dialogs that are not over, where several phones have answered at once. */
  answeredTags?: Set<string>;
  /** Its caller has sent BYE before the answer. */
  givenUp?: boolean;
}

type ClosingEvent = Readonly<Record<string, unknown>> & { readonly event: string };

export interface CallRecordsOptions {
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly onClosed: (call: Call, outcome: Outcome) => void;
  /** Ends a call's media and says how it was; undefined when there was none here. */
  readonly endMedia?: (call: Call) => Promise<readonly MediaQuality[]> | undefined;
}

/** Writes the TIBET records of calls; each call gets one attempt and exactly one closing record. */
export class CallRecords {
  readonly #options: CallRecordsOptions;
  readonly #queue: RecordQueue;
  readonly #closing = new Set<Promise<void>>();

  constructor(options: CallRecordsOptions) {
    this.#options = options;
    this.#queue = new RecordQueue(options);
  }

  /** Throws `ProvenanceError` when the log takes no records: the call must then not go on. */
  attempt(facts: AttemptFacts): { readonly call: Call; readonly written: AppendResult } {
    const { audit, clock, random } = this.#options;
    const { request, flow } = facts;
    const [caller, callee] = [loggedParty(facts.caller), loggedParty(facts.callee)];
    const id = randomId(random, 128);
    const written = audit.append({
      erin: {
        event: 'call.attempt',
        call: id,
        callId: request.callId,
        requestUri: clipped(request.uri),
        from: clipped(request.from.uri),
        to: clipped(request.to.uri),
        caller: caller.label,
        callee: callee.label,
        assurance: facts.assurance,
        signedBy: facts.signedBy,
      },
      eraan: { parents: facts.parents, tokens: facts.tokens },
      eromheen: circumstances(request, flow),
      erachter: facts.intent,
      ...(facts.signed && { signed: facts.signed }),
      parties: partiesOf(caller, callee, 'caller'),
      call: { id, phase: 'attempt' },
    });
    const call: Call = {
      id,
      // Copies: a part of the parsed text would keep the whole INVITE in memory for as long as the call.
      sipCallId: ownText(request.callId),
      callerTag: ownText(request.from.tag ?? ''),
      cseq: request.cseq.number,
      callerFlow: flow.id,
      caller,
      callee,
      intent: facts.intent,
      attemptedAtMs: clock.now(),
      answeredAtMs: undefined,
      ringing: false,
      closed: false,
    };
    written.durability.whenSettled((state) => {
      // The attempt never came to be: its caller gets 503, and nothing may follow it in the log.
      if (state === 'durable' || call.closed) return;
      call.closed = true;
      void this.#options.endMedia?.(call);
      this.#options.onClosed(call, 'failed');
    });
    return { call, written };
  }

  rings(call: Call, status: number, flow: Flow | undefined): void {
    if (call.ringing || call.closed) return;
    call.ringing = true;
    this.#follow(call, 'progress', { event: 'call.ringing', status }, flow);
  }

  isAnswered(call: Call, status: number, flow: Flow | undefined): void {
    if (call.answeredAtMs !== undefined || call.closed) return;
    call.answeredAtMs = this.#options.clock.now();
    this.#follow(call, 'answer', { event: 'call.answer', status }, flow);
  }

  /** Writes the closing record; a second call for the same `call` does nothing. */
  close(
    call: Call,
    outcome: Outcome,
    detail: {
      readonly status?: number;
      readonly by: string;
      readonly reason?: string;
      /** How the gateway itself has ended it. */
      readonly ended?: 'bye' | 'cancel';
    },
  ): void {
    if (call.closed) return;
    call.closed = true;
    const { clock, onClosed, endMedia } = this.#options;
    const talkedMs = call.answeredAtMs === undefined ? 0 : clock.now() - call.answeredAtMs;
    const event = { event: closingEvent(outcome), outcome, talkedMs, ...detail };
    const media = endMedia?.(call);
    if (media === undefined) this.#follow(call, 'close', event, undefined);
    else this.#closeWith(call, event, media);
    onClosed(call, outcome);
  }

  /** Waits until what closes has told how its media was. */
  async settled(): Promise<void> {
    await Promise.all(this.#closing);
  }

  #closeWith(call: Call, event: ClosingEvent, media: Promise<readonly MediaQuality[]>): void {
    const written = media
      .catch((): readonly MediaQuality[] => [])
      .then((quality) => {
        this.#closing.delete(written);
        this.#follow(call, 'close', quality.length === 0 ? event : { ...event, media: quality }, undefined);
      });
    this.#closing.add(written);
  }

  /** Closes what a former run of this gateway left open: called once, before a socket opens. */
  closeOrphans(): number {
    const orphans = this.#options.audit.openCalls();
    for (const orphan of orphans) {
      this.#queue.write({
        erin: { event: 'call.failure', call: orphan.id, outcome: 'interrupted', by: 'gateway' },
        eraan: { parents: [] },
        eromheen: circumstances(),
        erachter: 'close a call that the gateway lost sight of when it stopped',
        parties: orphan.parties,
        call: { id: orphan.id, phase: 'close' },
      });
    }
    return orphans.length;
  }

  /** Offers what waits for the disk a last time; what the log does not take now is closed at the next start. */
  stop(): void {
    this.#queue.stop();
  }

  #follow(
    call: Call,
    phase: 'progress' | 'answer' | 'close',
    event: Readonly<Record<string, unknown>> & { readonly event: string },
    flow: Flow | undefined,
  ): void {
    const { caller, callee } = call;
    this.#queue.write({
      erin: { ...event, call: call.id, callId: call.sipCallId, caller: caller.label, callee: callee.label },
      // The log itself names the call's previous record.
      eraan: { parents: [] },
      eromheen: circumstances(undefined, flow),
      erachter: call.intent,
      parties: partiesOf(caller, callee, 'callee'),
      call: { id: call.id, phase },
      unhurried: true,
    });
  }
}

function clipped(text: string): string {
  return text.slice(0, maxTextLength);
}

function loggedParty({ fingerprint, label, address = label }: CallParty): LoggedParty {
  return {
    fingerprint,
    label: clipped(label),
    loggedAs: fingerprint ?? addressParty(clipped(address)),
  };
}

function closingEvent(outcome: Outcome): string {
  if (outcome === 'answered') return 'call.end';
  return outcome === 'refused' ? 'call.refusal' : outcome === 'cancelled' ? 'call.cancel' : 'call.failure';
}

/** What of a record is erased with one party and not with the other: of the one that was seen also how. */
const ownErin = { caller: ['caller', 'from', 'callId'], callee: ['callee', 'to', 'requestUri'] } as const;
const owned = { caller: { erin: ownErin.caller }, callee: { erin: ownErin.callee } };
const ownedWhenSeen = {
  caller: { ...owned.caller, eromheen: peerCircumstances },
  callee: { ...owned.callee, eromheen: peerCircumstances },
};

/** `seen` is the party on whose flow the record's event was seen. */
function partiesOf(
  caller: LoggedParty,
  callee: LoggedParty,
  seen: 'caller' | 'callee',
): readonly DraftParty[] {
  const [callers, callees] = seen === 'caller' ? [ownedWhenSeen, owned] : [owned, ownedWhenSeen];
  return [
    { fingerprint: caller.loggedAs, role: 'caller', owns: callers.caller },
    { fingerprint: callee.loggedAs, role: 'callee', owns: callees.callee },
  ];
}

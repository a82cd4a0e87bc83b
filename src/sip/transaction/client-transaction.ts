import type { HeaderField, SipResponse } from '../message/index.ts';
import type { Flow } from '../transport/index.ts';
import type { InviteClientState } from './invite-client.ts';
import type { NonInviteClientState } from './non-invite-client.ts';

export type ClientState = InviteClientState | NonInviteClientState;

/** What a transaction user hears of a request that it sent. All callbacks may come from within `send`. */
export interface ClientTransactionHandler {
  /** Each provisional, the final response, and of a 2xx to an INVITE every retransmission (RFC 6026 §7.2). */
  onResponse(response: SipResponse): void;
  /** No final response came in time (Timer B or F, or 64*T1 after a CANCEL). */
  onTimeout(): void;
  /** The flow is closed or takes no more. May also follow a non-2xx final response, whose ACK was then lost. */
  onTransportError(): void;
}

/**
 * Hears what settled INVITEs may still bring: retransmitted and forked 2xx responses (RFC 6026 §7.2). Best one for many:
 * whose they are, the rest tells.
 */
export interface LateAnswers {
  onAnswer(response: SipResponse, settled: SettledInvite): void;
}

/** What is kept of an INVITE that has its 2xx. */
export interface SettledInvite {
  /** On which it came, and on which it went out. */
  readonly caller: Flow;
  readonly callee: Flow;
  /** What its transaction user wants to know again; latin1 text. */
  readonly note: string;
}

/** A request under way. */
export interface ClientTransaction {
  readonly flow: Flow;
  readonly state: ClientState;
  /**
   * Cancels an INVITE as soon as a provisional response allows it (RFC 3261 §9.1). The final response still comes
   * to the handler. Does nothing for other methods or after a final response.
   */
  cancel(headers?: readonly HeaderField[]): void;
  /**
   * Once an INVITE has its 2xx and nobody waits for anything else: this alone is kept, in place of the handler.
   * Without a 2xx this does nothing.
   */
  linger(late: LateAnswers, caller: Flow, note: string): void;
}

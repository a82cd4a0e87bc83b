import type { SipRequest, SipResponse } from '../message/index.ts';
import type { Flow } from '../transport/index.ts';
import type { InviteServerState } from './invite-server.ts';
import type { NonInviteServerState } from './non-invite-server.ts';

export type ServerState = InviteServerState | NonInviteServerState;

/**
 * A request that arrived and the way back to its sender. This is the transaction user's handle: the layer lets go of
 * it with the final response, so that what lingers for retransmissions is only a key and the answer's bytes.
 */
export interface ServerTransaction {
  /** Its own among those that are under way. */
  readonly key: string;
  readonly request: SipRequest;
  readonly flow: Flow;
  readonly state: ServerState;
  /** Whether the sender has had any response. */
  readonly responded: boolean;
  /** Sends a response. What no longer fits the state is dropped, except a 2xx to an INVITE (RFC 3261 §16.7). */
  respond(response: SipResponse): void;
  /**
   * Answers a sender who has proved nothing. Over UDP its address may be a victim's: nothing is kept or sent again
   * (RFC 3261 §8.2.7), and what would be more than 1.5 times the request goes in fewer words or not at all.
   */
  decline(response: SipResponse): void;
  /** Ends the transaction without a final response (RFC 4320 §4.2 forbids a 408 to a non-INVITE request). */
  abandon(): void;
}

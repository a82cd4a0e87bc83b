import type { StateTable } from './state-table.ts';

export type InviteServerState = 'proceeding' | 'accepted' | 'completed' | 'confirmed' | 'terminated';

export type InviteServerInput =
  | 'retransmission'
  | 'ack'
  | 'user-provisional'
  | 'user-success'
  | 'user-failure'
  | 'timer-g'
  | 'timer-h'
  | 'timer-i'
  | 'timer-l'
  | 'transport-error';

export type InviteServerAction =
  | 'to-user'
  | 'send'
  | 'send-unstored'
  | 'resend'
  | 'ack-to-user'
  | 'start-g'
  | 'start-h'
  | 'start-i'
  | 'start-l'
  | 'stop-timers'
  | 'timeout'
  | 'transport-error';

/** The INVITE server transaction: RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §7.1. */
export const inviteServer: StateTable<InviteServerState, InviteServerInput, InviteServerAction> = {
  start: { state: 'proceeding', actions: ['to-user'] },
  rows: {
    proceeding: {
      retransmission: { state: 'proceeding', actions: ['resend'] },
      'user-provisional': { state: 'proceeding', actions: ['send'] },
      'user-success': { state: 'accepted', actions: ['start-l', 'send-unstored'] },
      'user-failure': { state: 'completed', actions: ['start-g', 'start-h', 'send'] },
      // RFC 6026 §7.1: the transaction user is told and decides; it still owes a final response.
      'transport-error': { state: 'proceeding', actions: ['transport-error'] },
    },
    accepted: {
      // RFC 6026 §7.1: absorbed without an answer; whoever made the 2xx retransmits it.
      retransmission: { state: 'accepted', actions: [] },
      'user-success': { state: 'accepted', actions: ['send-unstored'] },
      ack: { state: 'accepted', actions: ['ack-to-user'] },
      'timer-l': { state: 'terminated', actions: [] },
      'transport-error': { state: 'accepted', actions: ['transport-error'] },
    },
    completed: {
      retransmission: { state: 'completed', actions: ['resend'] },
      'timer-g': { state: 'completed', actions: ['resend', 'start-g'] },
      'timer-h': { state: 'terminated', actions: ['timeout'] },
      ack: { state: 'confirmed', actions: ['stop-timers', 'start-i'] },
      // RFC 3261 §16.7 step 5: a 2xx goes upstream even after another final response did.
      'user-success': { state: 'completed', actions: ['send-unstored'] },
      // The flow is gone, and with it the way on which the ACK could come.
      'transport-error': { state: 'terminated', actions: ['transport-error'] },
    },
    confirmed: {
      'user-success': { state: 'confirmed', actions: ['send-unstored'] },
      'timer-i': { state: 'terminated', actions: [] },
      'transport-error': { state: 'terminated', actions: [] },
    },
    terminated: {
      'user-success': { state: 'terminated', actions: ['send-unstored'] },
    },
  },
};

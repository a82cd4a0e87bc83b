import type { StateTable, Step } from './state-table.ts';

export type InviteClientState = 'calling' | 'proceeding' | 'accepted' | 'completed' | 'terminated';

export type InviteClientInput =
  | 'provisional'
  | 'success'
  | 'failure'
  | 'timer-a'
  | 'timer-b'
  | 'timer-d'
  | 'timer-m'
  | 'timer-cancelled'
  | 'timer-unheard'
  | 'transport-error';

export type InviteClientAction =
  | 'send'
  | 'retransmit'
  | 'send-ack'
  | 'to-user'
  | 'start-a'
  | 'start-b'
  | 'start-d'
  | 'start-m'
  | 'stop-timers'
  | 'timeout'
  | 'transport-error';

type InviteClientStep = Step<InviteClientState, InviteClientAction>;

const accept: InviteClientStep = { state: 'accepted', actions: ['stop-timers', 'start-m', 'to-user'] };
const fail: InviteClientStep = {
  state: 'completed',
  actions: ['stop-timers', 'send-ack', 'start-d', 'to-user'],
};
const timeOut: InviteClientStep = { state: 'terminated', actions: ['timeout'] };
const loseTransport: InviteClientStep = { state: 'terminated', actions: ['transport-error'] };

/** The INVITE client transaction: RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §7.2. */
export const inviteClient: StateTable<InviteClientState, InviteClientInput, InviteClientAction> = {
  start: { state: 'calling', actions: ['start-a', 'start-b', 'send'] },
  rows: {
    calling: {
      'timer-a': { state: 'calling', actions: ['retransmit', 'start-a'] },
      'timer-b': timeOut,
      // RFC 3261 §9.1 lets no CANCEL out before a response: a caller who gave up would wait for nobody.
      'timer-unheard': timeOut,
      provisional: { state: 'proceeding', actions: ['stop-timers', 'to-user'] },
      success: accept,
      failure: fail,
      'transport-error': loseTransport,
    },
    proceeding: {
      provisional: { state: 'proceeding', actions: ['to-user'] },
      success: accept,
      failure: fail,
      // RFC 3261 §9.1: 64*T1 after a CANCEL without a final response, the request counts as cancelled.
      'timer-cancelled': timeOut,
      // A callee that answers not even the CANCEL is gone: its caller need not wait any longer.
      'timer-unheard': timeOut,
      // The response can only come on this flow: waiting for Timer C would serve nobody.
      'transport-error': loseTransport,
    },
    accepted: {
      // RFC 6026 §7.2: retransmitted and forked 2xx all belong to the transaction user.
      success: { state: 'accepted', actions: ['to-user'] },
      'timer-m': { state: 'terminated', actions: [] },
      'transport-error': { state: 'terminated', actions: [] },
    },
    completed: {
      failure: { state: 'completed', actions: ['send-ack'] },
      'timer-d': { state: 'terminated', actions: [] },
      // RFC 3261 §17.1.1.2: the ACK could not be sent.
      'transport-error': loseTransport,
    },
    terminated: {},
  },
};

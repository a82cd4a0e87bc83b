import type { StateTable, Step } from './state-table.ts';

export type NonInviteClientState = 'trying' | 'proceeding' | 'completed' | 'terminated';

export type NonInviteClientInput =
  | 'provisional'
  | 'final'
  | 'timer-e'
  | 'timer-f'
  | 'timer-k'
  | 'transport-error';

export type NonInviteClientAction =
  | 'send'
  | 'retransmit'
  | 'to-user'
  | 'start-e'
  | 'start-e-at-t2'
  | 'start-f'
  | 'start-k'
  | 'stop-timers'
  | 'timeout'
  | 'transport-error';

type NonInviteClientStep = Step<NonInviteClientState, NonInviteClientAction>;

const complete: NonInviteClientStep = { state: 'completed', actions: ['stop-timers', 'start-k', 'to-user'] };
const timeOut: NonInviteClientStep = { state: 'terminated', actions: ['timeout'] };
const loseTransport: NonInviteClientStep = { state: 'terminated', actions: ['transport-error'] };

/** The non-INVITE client transaction: RFC 3261 §17.1.2. */
export const nonInviteClient: StateTable<NonInviteClientState, NonInviteClientInput, NonInviteClientAction> =
  {
    start: { state: 'trying', actions: ['start-e', 'start-f', 'send'] },
    rows: {
      trying: {
        'timer-e': { state: 'trying', actions: ['retransmit', 'start-e'] },
        'timer-f': timeOut,
        provisional: { state: 'proceeding', actions: ['to-user'] },
        final: complete,
        'transport-error': loseTransport,
      },
      proceeding: {
        // RFC 3261 §17.1.2.2: the server is known to work on it, so the interval is T2 from here on.
        'timer-e': { state: 'proceeding', actions: ['retransmit', 'start-e-at-t2'] },
        'timer-f': timeOut,
        provisional: { state: 'proceeding', actions: ['to-user'] },
        final: complete,
        'transport-error': loseTransport,
      },
      completed: {
        'timer-k': { state: 'terminated', actions: [] },
        'transport-error': { state: 'terminated', actions: [] },
      },
      terminated: {},
    },
  };

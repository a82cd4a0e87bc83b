import type { StateTable, Step } from './state-table.ts';

export type NonInviteServerState = 'trying' | 'proceeding' | 'completed' | 'terminated';

export type NonInviteServerInput =
  | 'retransmission'
  | 'user-provisional'
  | 'user-final'
  | 'timer-j'
  | 'transport-error';

export type NonInviteServerAction = 'to-user' | 'send' | 'resend' | 'start-j' | 'transport-error';

type NonInviteServerStep = Step<NonInviteServerState, NonInviteServerAction>;

const complete: NonInviteServerStep = { state: 'completed', actions: ['send', 'start-j'] };
const loseTransport: NonInviteServerStep = { state: 'terminated', actions: ['transport-error'] };

/** The non-INVITE server transaction: RFC 3261 §17.2.2. */
export const nonInviteServer: StateTable<NonInviteServerState, NonInviteServerInput, NonInviteServerAction> =
  {
    start: { state: 'trying', actions: ['to-user'] },
    rows: {
      trying: {
        // Nothing was sent yet, so there is nothing to send again.
        retransmission: { state: 'trying', actions: [] },
        'user-provisional': { state: 'proceeding', actions: ['send'] },
        'user-final': complete,
        'transport-error': loseTransport,
      },
      proceeding: {
        retransmission: { state: 'proceeding', actions: ['resend'] },
        'user-provisional': { state: 'proceeding', actions: ['send'] },
        'user-final': complete,
        'transport-error': loseTransport,
      },
      completed: {
        retransmission: { state: 'completed', actions: ['resend'] },
        'timer-j': { state: 'terminated', actions: [] },
        'transport-error': { state: 'terminated', actions: ['transport-error'] },
      },
      terminated: {},
    },
  };

import { describe, expect, it } from 'vitest';
import {
  inviteClient,
  inviteServer,
  nonInviteClient,
  nonInviteServer,
  type StateTable,
} from '../../../src/sip/transaction/index.ts';

/** state, input -> next state, actions. What is not listed must not be in the table. */
type Rows = readonly (readonly [string, string, string, string])[];

const inviteClientRows: Rows = [
  ['calling', 'timer-a', 'calling', 'retransmit start-a'],
  ['calling', 'timer-b', 'terminated', 'timeout'],
  ['calling', 'timer-unheard', 'terminated', 'timeout'],
  ['calling', 'provisional', 'proceeding', 'stop-timers to-user'],
  ['calling', 'success', 'accepted', 'stop-timers start-m to-user'],
  ['calling', 'failure', 'completed', 'stop-timers send-ack start-d to-user'],
  ['calling', 'transport-error', 'terminated', 'transport-error'],
  ['proceeding', 'provisional', 'proceeding', 'to-user'],
  ['proceeding', 'success', 'accepted', 'stop-timers start-m to-user'],
  ['proceeding', 'failure', 'completed', 'stop-timers send-ack start-d to-user'],
  ['proceeding', 'timer-cancelled', 'terminated', 'timeout'],
  ['proceeding', 'timer-unheard', 'terminated', 'timeout'],
  ['proceeding', 'transport-error', 'terminated', 'transport-error'],
  ['accepted', 'success', 'accepted', 'to-user'],
  ['accepted', 'timer-m', 'terminated', ''],
  ['accepted', 'transport-error', 'terminated', ''],
  ['completed', 'failure', 'completed', 'send-ack'],
  ['completed', 'timer-d', 'terminated', ''],
  ['completed', 'transport-error', 'terminated', 'transport-error'],
];

const nonInviteClientRows: Rows = [
  ['trying', 'timer-e', 'trying', 'retransmit start-e'],
  ['trying', 'timer-f', 'terminated', 'timeout'],
  ['trying', 'provisional', 'proceeding', 'to-user'],
  ['trying', 'final', 'completed', 'stop-timers start-k to-user'],
  ['trying', 'transport-error', 'terminated', 'transport-error'],
  ['proceeding', 'timer-e', 'proceeding', 'retransmit start-e-at-t2'],
  ['proceeding', 'timer-f', 'terminated', 'timeout'],
  ['proceeding', 'provisional', 'proceeding', 'to-user'],
  ['proceeding', 'final', 'completed', 'stop-timers start-k to-user'],
  ['proceeding', 'transport-error', 'terminated', 'transport-error'],
  ['completed', 'timer-k', 'terminated', ''],
  ['completed', 'transport-error', 'terminated', ''],
];

const inviteServerRows: Rows = [
  ['proceeding', 'retransmission', 'proceeding', 'resend'],
  ['proceeding', 'user-provisional', 'proceeding', 'send'],
  ['proceeding', 'user-success', 'accepted', 'start-l send-unstored'],
  ['proceeding', 'user-failure', 'completed', 'start-g start-h send'],
  ['proceeding', 'transport-error', 'proceeding', 'transport-error'],
  ['accepted', 'retransmission', 'accepted', ''],
  ['accepted', 'user-success', 'accepted', 'send-unstored'],
  ['accepted', 'ack', 'accepted', 'ack-to-user'],
  ['accepted', 'timer-l', 'terminated', ''],
  ['accepted', 'transport-error', 'accepted', 'transport-error'],
  ['completed', 'retransmission', 'completed', 'resend'],
  ['completed', 'timer-g', 'completed', 'resend start-g'],
  ['completed', 'timer-h', 'terminated', 'timeout'],
  ['completed', 'ack', 'confirmed', 'stop-timers start-i'],
  ['completed', 'user-success', 'completed', 'send-unstored'],
  ['completed', 'transport-error', 'terminated', 'transport-error'],
  ['confirmed', 'user-success', 'confirmed', 'send-unstored'],
  ['confirmed', 'timer-i', 'terminated', ''],
  ['confirmed', 'transport-error', 'terminated', ''],
  ['terminated', 'user-success', 'terminated', 'send-unstored'],
];

const nonInviteServerRows: Rows = [
  ['trying', 'retransmission', 'trying', ''],
  ['trying', 'user-provisional', 'proceeding', 'send'],
  ['trying', 'user-final', 'completed', 'send start-j'],
  ['trying', 'transport-error', 'terminated', 'transport-error'],
  ['proceeding', 'retransmission', 'proceeding', 'resend'],
  ['proceeding', 'user-provisional', 'proceeding', 'send'],
  ['proceeding', 'user-final', 'completed', 'send start-j'],
  ['proceeding', 'transport-error', 'terminated', 'transport-error'],
  ['completed', 'retransmission', 'completed', 'resend'],
  ['completed', 'timer-j', 'terminated', ''],
  ['completed', 'transport-error', 'terminated', 'transport-error'],
];

function rowsOf(table: StateTable<string, string, string>): string[] {
  const rows: string[] = [];
  for (const [state, inputs] of Object.entries(table.rows)) {
    for (const [input, step] of Object.entries(inputs)) {
      if (step !== undefined) rows.push(`${state} + ${input} -> ${step.state}: ${step.actions.join(' ')}`);
    }
  }
  return rows.sort();
}

const tables: readonly (readonly [string, StateTable<string, string, string>, string, Rows])[] = [
  [
    'INVITE client, RFC 3261 §17.1.1 and RFC 6026 §7.2',
    inviteClient,
    'calling: start-a start-b send',
    inviteClientRows,
  ],
  [
    'non-INVITE client, RFC 3261 §17.1.2',
    nonInviteClient,
    'trying: start-e start-f send',
    nonInviteClientRows,
  ],
  [
    'INVITE server, RFC 3261 §17.2.1 and RFC 6026 §7.1',
    inviteServer,
    'proceeding: to-user',
    inviteServerRows,
  ],
  ['non-INVITE server, RFC 3261 §17.2.2', nonInviteServer, 'trying: to-user', nonInviteServerRows],
];

describe.each(tables)('%s', (_name, table, start, rows) => {
  it('begins as the RFC draws it', () => {
    expect(`${table.start.state}: ${table.start.actions.join(' ')}`).toBe(start);
  });

  it.each(rows)('%s + %s -> %s (%s)', (state, input, next, actions) => {
    const step = table.rows[state]?.[input];
    expect(step?.state).toBe(next);
    expect(step?.actions.join(' ')).toBe(actions);
  });

  it('has no other row', () => {
    const expected = rows.map(
      ([state, input, next, actions]) => `${state} + ${input} -> ${next}: ${actions}`,
    );
    expect(rowsOf(table)).toEqual(expected.sort());
  });

  it('tells the transaction user last, when all of the state is settled', () => {
    for (const inputs of Object.values(table.rows)) {
      for (const step of Object.values(inputs)) {
        const at = step?.actions.indexOf('to-user') ?? -1;
        if (step !== undefined && at >= 0) expect(at).toBe(step.actions.length - 1);
      }
    }
  });
});

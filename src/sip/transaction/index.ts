export * from './admission.ts';
export type {
  ClientState,
  ClientTransaction,
  ClientTransactionHandler,
  LateAnswers,
  SettledInvite,
} from './client-transaction.ts';
export { buildAck, buildCancel } from './derived-requests.ts';
export * from './invite-client.ts';
export * from './invite-server.ts';
export { serverKey } from './key.ts';
export * from './layer.ts';
export { type LoadLimits, LoadMonitor } from './load-monitor.ts';
export * from './non-invite-client.ts';
export * from './non-invite-server.ts';
export type { ServerState, ServerTransaction } from './server-transaction.ts';
export type { StateTable, Step } from './state-table.ts';
export { type TimerOwner, TimerWheel } from './timer-wheel.ts';
export * from './timers.ts';

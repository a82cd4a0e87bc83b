export type { LearnFrom } from './latch.ts';
export { defaultRelayLimits, type RelayLimits } from './limits.ts';
export type { PortRange } from './port-pool.ts';
export { RelayEngine, type RelayEngineOptions } from './relay-engine.ts';
export { startRelayWorker } from './relay-thread.ts';

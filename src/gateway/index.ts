export { createLogger, silentLogger } from '../base/index.ts';
export * from './gateway.ts';
export type { LogRequest } from './log-request.ts';
export { rotateCheckpointKey, serveSpool } from './log-upkeep.ts';
export { defaultRegEventLimits } from './reg-event.ts';
export { defaultSpeakerLimits, type SpeakerLimits } from './speakers.ts';

export { defaultRtpengineLimits, type RtpengineLimits } from './limits.ts';
export type { NgAddress } from './ng-client.ts';
export { RtpengineEngine, type RtpengineEngineOptions } from './rtpengine-engine.ts';

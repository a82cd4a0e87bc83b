export * from './engine.ts';
export * from './media-keys.ts';
export * from './relay/index.ts';
export * from './rtpengine/index.ts';
export * from './sdp/index.ts';

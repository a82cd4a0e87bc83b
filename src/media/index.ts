export * from './dtls-fingerprints.ts';
export * from './engine.ts';
export * from './relay/index.ts';
export * from './sdp/index.ts';

export * from './dtls-fingerprints.ts';
export * from './engine.ts';
export * from './sdp/index.ts';

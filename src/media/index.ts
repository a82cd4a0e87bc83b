export * from './dtls-fingerprints.ts';

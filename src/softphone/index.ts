export * from './desk-phone.ts';
export * from './intent-signer.ts';
export * from './phone-node.ts';
export type { Call } from './session-call.ts';
export * from './signing-transport.ts';
export * from './silent-session.ts';
export * from './softphone.ts';

export * from './declared-intent.ts';
export * from './dialled-address.ts';
export * from './request-intent.ts';

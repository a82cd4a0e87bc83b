export * from './auth/index.ts';
export * from './locating/index.ts';
export * from './message/index.ts';
export * from './proxy/index.ts';
export * from './registrar/index.ts';
export * from './transaction/index.ts';
export * from './transport/index.ts';

export * from './binding.ts';
export * from './policy.ts';
export * from './registrar.ts';
export type { RegisterSource } from './registration.ts';
export type { RegisterFault } from './rejection.ts';

export * from './binding.ts';
export * from './gruu.ts';
export * from './policy.ts';
export * from './reginfo.ts';
export * from './registrar.ts';
export type { RegisterSource } from './registration.ts';
export type { RegisterFault } from './rejection.ts';

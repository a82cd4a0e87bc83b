export * from './addresses.ts';
export type * from './config.ts';
export * from './data-paths.ts';
export { type ConfigKey, configKeys } from './keys.ts';
export type * from './limits.ts';
export { type LoadOptions, loadConfig } from './load.ts';
export type * from './peers.ts';
export { ConfigError, type ConfigProblem } from './problems.ts';

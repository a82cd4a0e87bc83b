export * from './bytes.ts';
export * from './clock.ts';
export * from './hmac.ts';
export * from './keyed-hash.ts';
export * from './listen.ts';
export * from './log.ts';
export * from './random.ts';
export * from './transient-map.ts';

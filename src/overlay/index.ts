export * from './address.ts';
export * from './binding.ts';
export { type CacheLimits, defaultCacheLimits } from './cached-store.ts';
export { type Challenge, localProver, type ProofFault, type Prover } from './challenge.ts';
export { type Device, localDevice } from './device.ts';
export type { DeviceCredential } from './device-book.ts';
export * from './documents.ts';
export * from './embedded-store.ts';
export { defaultEndpointLimits, type EndpointLimits, endpointText } from './endpoint-book.ts';
export * from './endpoint-record.ts';
export type { StockDevice } from './enrolment-desk.ts';
export * from './errors.ts';
export { parseSpooledRecord, spoolEvent, spoolJson } from './event-spool.ts';
export { chain, type Eventual } from './eventual.ts';
export type { ForeignBook, ForeignEntry } from './foreign-book.ts';
export type { Predecessor } from './identity-endings.ts';
export * from './identity-overlay.ts';
export type { IdentityRecord, IdentityStatus } from './identity-record.ts';
export type { Annotate, BindingUpdate, LostBinding } from './location-book.ts';
export * from './memory-store.ts';
export { type NodeAnnouncement, type NodeRecord, nodeLifetimeSeconds } from './node-book.ts';
export * from './open-store.ts';
export {
  type EventFact,
  type OverlayEvent,
  type OverlayEventKind,
  overlayRecord,
} from './overlay-event.ts';
export * from './overlay-location.ts';
export * from './overlay-options.ts';
export type { Verification, VerificationFault } from './proof-desk.ts';
export { defaultRedisTimeouts, type RedisTimeouts } from './redis-connection.ts';
export { RedisStore, type RedisStoreOptions } from './redis-store.ts';
export * from './store.ts';
export * from './trust.ts';

export type { CloseReason } from './connection-life.ts';
export * from './flow.ts';
export { sourceKey } from './ip-address.ts';
export { defaultTransportLimits, earnedPerByte, type TransportLimits } from './limits.ts';
export type { TransportCounters, TransportStatistics } from './statistics.ts';
export type { CertificateSource, TlsOptions } from './tls-material.ts';
export { TransportError, type TransportErrorCode } from './transport-error.ts';
export { TransportLayer, type TransportLayerOptions } from './transport-layer.ts';

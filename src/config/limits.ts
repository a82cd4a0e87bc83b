import type { z } from 'zod';
import { quantity, section } from './fields.ts';
import { type MediaLimitsConfig, mediaLimits } from './media.ts';
import { type RtpengineLimitsConfig, rtpengineLimits } from './rtpengine.ts';

/** Every bound of the gateway by the part that keeps it; docs/configuration.md says what each one means. */
export interface LimitsConfig {
  readonly message: MessageLimitsConfig;
  readonly transport: TransportLimitsConfig;
  readonly transaction: TransactionLimitsConfig;
  readonly overload: OverloadLimitsConfig;
  readonly locating: LocatingLimitsConfig;
  readonly registrar: RegistrarLimitsConfig;
  readonly regEvent: RegEventLimitsConfig;
  readonly digest: DigestLimitsConfig;
  readonly speakers: SpeakerLimitsConfig;
  readonly overlay: OverlayLimitsConfig;
  readonly vouching: VouchingLimitsConfig;
  readonly federation: FederationLimitsConfig;
  readonly audit: AuditLimitsConfig;
  readonly media: MediaLimitsConfig;
  readonly rtpengine: RtpengineLimitsConfig;
}

export interface MessageLimitsConfig {
  readonly maxMessageBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaderCount: number;
  readonly maxHeaderLineBytes: number;
  readonly maxIdentifierBytes: number;
  readonly maxMultipartDepth: number;
  readonly maxMultipartParts: number;
}

export interface TransportLimitsConfig {
  readonly acceptBacklog: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerSource: number;
  readonly maxUnprovenPerSource: number;
  readonly firstByteTimeoutMs: number;
  readonly messageTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly maxSendBufferBytes: number;
  readonly sendStallTimeoutMs: number;
  readonly maxProxyHeaderBytes: number;
  readonly udpKeepSeconds: number;
  readonly streamKeepSeconds: number;
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
  readonly maxUpgradeHeaderBytes: number;
  readonly tcpKeepAliveDelayMs: number;
  readonly tcpKeepAliveIntervalMs: number;
  readonly tcpKeepAliveCount: number;
  readonly maxUdpFlows: number;
  readonly udpReceiveBufferBytes: number;
  readonly udpSendBufferBytes: number;
  readonly sweepIntervalMs: number;
}

export interface TransactionLimitsConfig {
  readonly maxTransactions: number;
  readonly retryAfterSeconds: number;
}

export interface LocatingLimitsConfig {
  readonly maxUdpRequestBytes: number;
  readonly silenceMs: number;
  readonly deadTargetMs: number;
  readonly maxDeadTargets: number;
  readonly maxTargets: number;
  readonly maxCachedAnswers: number;
  readonly maxTtlMs: number;
  readonly unknownTtlMs: number;
  readonly negativeTtlMs: number;
}

export interface FederationLimitsConfig {
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly maxConcurrent: number;
}

export interface RegEventLimitsConfig {
  readonly maxSubscriptions: number;
  readonly maxSubscriptionsPerIdentity: number;
  readonly minNotifyIntervalMs: number;
}

export interface OverloadLimitsConfig {
  readonly sampleMs: number;
  readonly maxLagMs: number;
  readonly minCallsPerSecond: number;
  readonly maxUndecided: number;
  readonly callsPerSecondPerSource: number;
  readonly callsPerSecondPerIdentity: number;
  readonly maxCounters: number;
  readonly retryAfterSeconds: number;
  readonly registerSpreadSeconds: number;
}

export interface RegistrarLimitsConfig {
  readonly maxContacts: number;
  readonly maxContactLength: number;
  readonly maxPathLength: number;
}

export interface DigestLimitsConfig {
  readonly maxFailuresPerUser: number;
  readonly maxFailuresPerSource: number;
  readonly windowMs: number;
  readonly maxCounters: number;
}

export interface SpeakerLimitsConfig {
  readonly maxPerFlow: number;
  readonly maxUdpFlows: number;
}

export interface OverlayLimitsConfig {
  readonly cache: {
    readonly maxEntries: number;
    readonly maxLocalEntries: number;
    readonly freshMs: number;
    readonly staleMs: number;
  };
  readonly maxMappedBytes: number;
  readonly endpoint: { readonly maxLifetimeSeconds: number; readonly maxClockAheadSeconds: number };
  readonly challengeLifetimeMs: number;
  readonly maxOpenChallenges: number;
  readonly sweepIntervalMs: number;
  readonly maxSweptIdentities: number;
}

export interface VouchingLimitsConfig {
  readonly maxAnswers: number;
  readonly maxAgeSeconds: number;
  readonly silenceMs: number;
}

export interface AuditLimitsConfig {
  readonly maxRecordBytes: number;
  readonly maxBatchRecords: number;
  readonly commitIntervalMs: number;
  readonly unhurriedDelayMs: number;
  readonly maxWaitingRecords: number;
  readonly checkpointDelayMs: number;
  readonly integrateAtRecords: number;
  readonly indexDelayMs: number;
  readonly indexAtRecords: number;
  readonly maxUnindexedRecords: number;
  readonly journalSegmentBytes: number;
  readonly healDelayMs: number;
  readonly slowDiskMs: number;
  readonly healProbeBytes: number;
}

const milliseconds = (fallback: number, min = 1): z.ZodType<number> =>
  quantity('ms', fallback, min, 86_400_000);
const bytes = (fallback: number, min: number): z.ZodType<number> =>
  quantity('bytes', fallback, min, 1_073_741_824);
const count = (fallback: number, min = 1): z.ZodType<number> => quantity('count', fallback, min, 10_000_000);

/** The defaults are those of the parts themselves; a test compares them. */
export const limits: z.ZodType<LimitsConfig> = section({
  message: section({
    maxMessageBytes: bytes(65_535, 1_500),
    maxHeaderBytes: bytes(32_768, 1_024),
    maxHeaderCount: count(256, 16),
    maxHeaderLineBytes: bytes(8_192, 256),
    maxIdentifierBytes: bytes(1_024, 64),
    maxMultipartDepth: count(8),
    maxMultipartParts: count(64),
  }),
  transport: section({
    acceptBacklog: count(65_535),
    maxConnections: count(50_000),
    maxConnectionsPerSource: count(5_000),
    maxUnprovenPerSource: count(1_024),
    firstByteTimeoutMs: milliseconds(8_000, 100),
    messageTimeoutMs: milliseconds(8_000, 100),
    idleTimeoutMs: milliseconds(3_900_000, 1_000),
    closeTimeoutMs: milliseconds(2_000),
    connectTimeoutMs: milliseconds(5_000, 100),
    maxSendBufferBytes: bytes(1_048_576, 65_536),
    sendStallTimeoutMs: milliseconds(15_000, 1_000),
    maxProxyHeaderBytes: bytes(1_024, 232),
    udpKeepSeconds: quantity('s', 25, 5, 3_600),
    streamKeepSeconds: quantity('s', 95, 5, 3_600),
    pingIntervalMs: milliseconds(20_000, 100),
    pongTimeoutMs: milliseconds(10_000, 100),
    maxUpgradeHeaderBytes: bytes(8_192, 1_024),
    tcpKeepAliveDelayMs: milliseconds(30_000, 1_000),
    tcpKeepAliveIntervalMs: milliseconds(5_000, 1_000),
    tcpKeepAliveCount: count(3),
    maxUdpFlows: count(100_000),
    udpReceiveBufferBytes: bytes(4_194_304, 4_096),
    udpSendBufferBytes: bytes(1_048_576, 4_096),
    sweepIntervalMs: milliseconds(1_000, 10),
  }),
  transaction: section({
    maxTransactions: count(200_000, 10),
    retryAfterSeconds: quantity('s', 5, 1, 3_600),
  }),
  locating: section({
    maxUdpRequestBytes: bytes(1_300, 500),
    silenceMs: milliseconds(4_000, 100),
    deadTargetMs: milliseconds(30_000),
    maxDeadTargets: count(10_000),
    maxTargets: count(16),
    maxCachedAnswers: count(10_000, 4),
    maxTtlMs: milliseconds(86_400_000),
    unknownTtlMs: milliseconds(60_000),
    negativeTtlMs: milliseconds(10_000),
  }),
  overload: section({
    sampleMs: milliseconds(100, 10),
    maxLagMs: milliseconds(200, 10),
    minCallsPerSecond: count(50, 0),
    maxUndecided: count(10_000, 10),
    callsPerSecondPerSource: count(20_000, 0),
    callsPerSecondPerIdentity: count(20_000, 0),
    maxCounters: count(50_000, 100),
    retryAfterSeconds: quantity('s', 5, 1, 3_600),
    registerSpreadSeconds: quantity('s', 15, 0, 3_600),
  }),
  registrar: section({
    maxContacts: count(32),
    maxContactLength: quantity('characters', 1_024, 64, 65_535),
    maxPathLength: count(10),
  }),
  regEvent: section({
    maxSubscriptions: count(10_000),
    maxSubscriptionsPerIdentity: count(20),
    minNotifyIntervalMs: milliseconds(5_000),
  }),
  digest: section({
    maxFailuresPerUser: count(20),
    maxFailuresPerSource: count(200),
    windowMs: milliseconds(60_000, 1_000),
    maxCounters: count(50_000, 100),
  }),
  speakers: section({
    maxPerFlow: count(1_000),
    maxUdpFlows: count(10_000),
  }),
  overlay: section({
    cache: section({
      maxEntries: count(100_000, 100),
      maxLocalEntries: count(4_000, 100),
      freshMs: milliseconds(1_000),
      staleMs: milliseconds(600_000),
    }),
    maxMappedBytes: quantity('bytes', 536_870_912, 4_194_304, 68_719_476_736),
    endpoint: section({
      maxLifetimeSeconds: quantity('s', 2_592_000, 60, 31_536_000),
      maxClockAheadSeconds: quantity('s', 60, 0, 3_600),
    }),
    challengeLifetimeMs: milliseconds(30_000, 100),
    maxOpenChallenges: count(10_000),
    sweepIntervalMs: milliseconds(10_000, 100),
    maxSweptIdentities: count(1_000),
  }),
  vouching: section({
    maxAnswers: count(10_000),
    maxAgeSeconds: quantity('s', 3_600, 0, 86_400),
    silenceMs: milliseconds(1_000),
  }),
  federation: section({
    timeoutMs: milliseconds(3_000, 100),
    maxBytes: bytes(16_384, 1_024),
    maxConcurrent: count(64),
  }),
  audit: section({
    maxRecordBytes: bytes(32_768, 4_096),
    maxBatchRecords: count(1_024),
    commitIntervalMs: milliseconds(20, 0),
    unhurriedDelayMs: milliseconds(40),
    maxWaitingRecords: count(65_536),
    checkpointDelayMs: quantity('ms', 500, 1, 1_000),
    integrateAtRecords: count(4_096),
    indexDelayMs: milliseconds(30_000),
    indexAtRecords: count(8_192),
    maxUnindexedRecords: count(16_384),
    journalSegmentBytes: bytes(16_777_216, 65_536),
    healDelayMs: milliseconds(500, 10),
    slowDiskMs: milliseconds(0, 0),
    healProbeBytes: bytes(1_048_576, 4_096),
  }),
  media: mediaLimits,
  rtpengine: rtpengineLimits,
});

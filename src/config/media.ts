import { isIP } from 'node:net';
import { z } from 'zod';
import { addressOrNetwork, listOf, nonEmptyText, oneOf, quantity, section } from './fields.ts';
import { type RtpengineConfig, rtpengine } from './rtpengine.ts';

export interface PortRangeConfig {
  readonly first: number;
  readonly last: number;
}

export interface MediaConfig {
  /** `off`: phones exchange media directly; `relay`: through the built-in relay; `rtpengine`: through one or several of those. */
  readonly mode: 'off' | 'relay' | 'rtpengine';
  /** IP addresses of this machine that media comes to, one for each family; empty: where the phone's signalling comes to. */
  readonly listen: readonly string[];
  /** IP addresses that phones are told instead, where this machine is known by others. */
  readonly address: readonly string[];
  readonly ports: PortRangeConfig;
  /** From which addresses media is learned besides those that signalling comes from and descriptions name. */
  readonly learnFrom: 'address' | 'network' | 'any';
  /** Networks within each of which phones reach each other: their calls may bypass the relay. */
  readonly direct: readonly string[];
  readonly rtpengine: RtpengineConfig;
}

export interface MediaLimitsConfig {
  readonly maxBytes: number;
  readonly maxLines: number;
  readonly maxMedia: number;
  readonly silenceMs: number;
  readonly holdMs: number;
  readonly relearnMs: number;
  readonly sweepIntervalMs: number;
  readonly answerTimeoutMs: number;
}

const ipAddress = nonEmptyText.refine((text) => isIP(text) !== 0, 'must be IP addresses');

const oneOfEachFamily = listOf(ipAddress).refine(
  (list) => new Set(list.map((address) => isIP(address))).size === list.length,
  'must name at most one IPv4 and one IPv6 address',
);

const lowestPort = 1_024;
const highestPort = 65_535;

const portRange: z.ZodType<PortRangeConfig> = nonEmptyText.transform((text, context) => {
  const [first = Number.NaN, last = Number.NaN, ...more] = text.split('-').map(Number);
  const inRange = (port: number): boolean =>
    Number.isInteger(port) && port >= lowestPort && port <= highestPort;
  if (more.length === 0 && inRange(first) && inRange(last) && last - first >= 3) return { first, last };
  context.addIssue(
    `must be a range of at least four ports from ${lowestPort} to ${highestPort}, like 16384-32767`,
  );
  return z.NEVER;
});

export const media: z.ZodType<MediaConfig> = section({
  mode: oneOf(['off', 'relay', 'rtpengine']).default('off'),
  listen: oneOfEachFamily.prefault([]),
  address: oneOfEachFamily.prefault([]),
  ports: portRange.prefault('16384-32767'),
  learnFrom: oneOf(['address', 'network', 'any']).default('network'),
  direct: listOf(addressOrNetwork).prefault([]),
  rtpengine,
}).refine(({ mode, rtpengine: { instances } }) => mode !== 'rtpengine' || instances.length > 0, {
  path: ['rtpengine', 'instances'],
  error: 'must name at least one rtpengine',
});

const day = 86_400_000;

export const mediaLimits: z.ZodType<MediaLimitsConfig> = section({
  maxBytes: quantity('bytes', 16_384, 1_024, 65_535),
  maxLines: quantity('count', 1_024, 64, 10_000),
  maxMedia: quantity('count', 16, 1, 64),
  silenceMs: quantity('ms', 120_000, 100, day),
  holdMs: quantity('ms', 3_600_000, 100, day),
  relearnMs: quantity('ms', 10_000, 0, 60_000),
  sweepIntervalMs: quantity('ms', 1_000, 10, 60_000),
  answerTimeoutMs: quantity('ms', 2_000, 100, 60_000),
});

import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { parseAuthority, type WebAddress } from './addresses.ts';
import { listOf, nonEmptyText, quantity, section } from './fields.ts';

export interface RtpengineConfig {
  /** Where each rtpengine takes commands (`--listen-ng`); an IP address and a port. */
  readonly instances: readonly WebAddress[];
  /** Flags of the ng protocol that every offer and answer has besides the gateway's own. */
  readonly flags: readonly string[];
}

export interface RtpengineLimitsConfig {
  readonly pingIntervalMs: number;
  readonly answerTimeoutMs: number;
  readonly retransmitMs: number;
  readonly queryIntervalMs: number;
  readonly lostMs: number;
}

/** Loopback, RFC 1918, RFC 6598 and RFC 4193: where nobody on the Internet can send to. */
const privateNetworks = new BlockList();
for (const [network, prefix] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
] as const)
  privateNetworks.addSubnet(network, prefix, 'ipv4');
privateNetworks.addAddress('::1', 'ipv6');
privateNetworks.addSubnet('fc00::', 7, 'ipv6');

const instance: z.ZodType<WebAddress> = nonEmptyText.transform((text, context) => {
  const address = parseAuthority(text, 0);
  const problem = typeof address === 'string' ? address : faultOf(address);
  if (problem === undefined && typeof address !== 'string') return address;
  context.addIssue(problem ?? '');
  return z.NEVER;
});

function faultOf({ host, port }: WebAddress): string | undefined {
  const family = isIP(host);
  if (family === 0 || port === 0) return 'must be IP addresses with a port, like 127.0.0.1:22222';
  if (privateNetworks.check(host, family === 6 ? 'ipv6' : 'ipv4')) return undefined;
  return 'must be private addresses: whoever reaches the control port of rtpengine can redirect every call';
}

/** Flags with which rtpengine sends a call's media to whoever sends something, and those that are the gateway's to set. */
const refusedFlags: Readonly<Record<string, string>> = {
  'media handover': 'lets whoever sends a packet take a stream over',
  asymmetric: 'takes media from any source',
  unidirectional: 'takes media from any source',
  'pierce nat': 'sends to addresses that nobody has proved',
  'strict source': 'is always set',
  'sip source address': 'is decided by the gateway, by who sends',
  'trust address': 'is decided by the gateway, by who sends',
  'no strict source': 'takes media from any source',
};

const flag: z.ZodType<string> = nonEmptyText.transform((text, context) => {
  const name = text.toLowerCase().replaceAll(/[-_]/g, ' ');
  const problem = name.startsWith('endpoint learning')
    ? 'is always heuristic'
    : name.includes('=') || name.includes(':')
      ? 'is no plain flag'
      : refusedFlags[name];
  if (problem === undefined) return text;
  context.addIssue(`"${text}" ${problem}; see docs/media.md`);
  return z.NEVER;
});

export const rtpengine: z.ZodType<RtpengineConfig> = section({
  instances: listOf(instance).prefault([]),
  flags: listOf(flag).prefault([]),
});

export const rtpengineLimits: z.ZodType<RtpengineLimitsConfig> = section({
  pingIntervalMs: quantity('ms', 1_000, 10, 60_000),
  answerTimeoutMs: quantity('ms', 1_000, 10, 60_000),
  retransmitMs: quantity('ms', 100, 5, 10_000),
  queryIntervalMs: quantity('ms', 20_000, 10, 3_600_000),
  lostMs: quantity('ms', 30_000, 0, 3_600_000),
});

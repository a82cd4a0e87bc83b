import { z } from 'zod';
import type { ListenAddress, PeerTarget, WebAddress } from './addresses.ts';
import {
  isAddressOrNetwork,
  isBindable,
  isHostName,
  isNameServer,
  parseListenAddress,
  parsePeerTarget,
  parseWebAddress,
} from './addresses.ts';
import type { StoreConfig } from './config.ts';
import { type OpeningDays, type OpeningHours, parseDays, parseHours } from './opening-hours.ts';

/** What a number counts; shown in docs/configuration.md. */
export type Unit = 'ms' | 's' | 'bytes' | 'count' | 'characters';

/** A whole number with its unit and bounds. */
export function quantity(unit: Unit, fallback: number, min: number, max: number): z.ZodType<number> {
  return z
    .number({ error: expected('must be a whole number') })
    .int('must be a whole number')
    .min(min, `must be at least ${min}`)
    .max(max, `must be at most ${max}`)
    .default(fallback)
    .meta({ unit });
}

export function oneOf<const T extends string>(values: readonly T[]): z.ZodType<T> {
  return z.enum(values, { error: expected(`must be one of ${values.join(', ')}`) });
}

/** A YAML list, or one comma-separated text (what fits into a variable or --set). */
export function listOf<T>(item: z.ZodType<T>): z.ZodType<readonly T[]> {
  const split = (text: string): string[] =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  return z
    .union([z.array(z.unknown()), z.string().transform(split)], {
      error: expected('must be a list'),
    })
    .pipe(z.array(item));
}

export const nonEmptyText: z.ZodType<string> = z
  .string({ error: expected('must be text') })
  .trim()
  .min(1, { error: 'must not be empty', abort: true });

/** Never repeats the value. */
export const secretText: z.ZodString = z
  .string({ error: ({ input }) => (input === undefined ? 'must be given' : 'must be text, in quotes') })
  .min(1, { error: 'must not be empty', abort: true });

export const hostName: z.ZodType<string> = nonEmptyText
  .refine(isHostName, { error: (issue) => `${describe(issue.input)} is not a host name` })
  .transform((text) => text.toLowerCase());

export const listenAddress: z.ZodType<ListenAddress> = parsed(parseListenAddress).refine(
  (address) => isBindable(address.host),
  { error: 'listen on an IP address (or localhost), not on a name' },
);

export const peerTarget: z.ZodType<PeerTarget> = parsed(parsePeerTarget);

/** `10.0.0.1`, `10.0.0.1:53`, `::1` or `[::1]:53`. */
export const nameServer: z.ZodType<string> = nonEmptyText.refine(isNameServer, {
  error: (issue) => `${describe(issue.input)} is not an IP address, with or without a port`,
});

export const webAddress: z.ZodType<WebAddress | undefined> = parsed((text) =>
  text === 'off' ? { off: true as const } : parseWebAddress(text),
).transform((address) => ('off' in address ? undefined : address));

/** `https://host:port` to listen on, or `off`. */
export const secureWebAddress: z.ZodType<WebAddress | undefined> = parsed((text) =>
  text === 'off'
    ? { off: true as const }
    : parseSecureAddress(text, 'write it as https://host:port, or "off"'),
).transform((address) => ('off' in address ? undefined : address));

/** `https://host:port` to ask. */
export const securePlace: z.ZodType<WebAddress> = parsed((text) =>
  parseSecureAddress(text, 'write it as https://host:port'),
);

/** A web address that is there to be listened on. */
export const boundWebAddress: z.ZodType<WebAddress> = parsed(parseWebAddress);

export const httpUrl: z.ZodType<string> = nonEmptyText.refine(
  (text) => /^https?:\/\/./.test(text) && URL.canParse(text),
  { error: (issue) => `${describe(issue.input)} is not an address like https://example.org/path` },
);

export const openingHours: z.ZodType<OpeningHours> = parsed(parseHours);

export const openingDays: z.ZodType<OpeningDays> = parsed(parseDays);

export const addressOrNetwork: z.ZodType<string> = nonEmptyText.refine(isAddressOrNetwork, {
  error: (issue) => `${describe(issue.input)} is not an IP address or a network like 10.0.0.0/8`,
});

/** Never repeats the value: a store address may hold a password. */
export const store: z.ZodType<StoreConfig> = nonEmptyText.transform((text, context): StoreConfig => {
  if (text === 'embedded') return { kind: 'embedded' };
  if (/^rediss?:\/\/./.test(text) && URL.canParse(text)) return { kind: 'redis', url: text };
  context.addIssue('must be "embedded" or an address like redis://host:6379 (rediss:// for TLS)');
  return z.NEVER;
});

function parseSecureAddress(text: string, otherwise: string): WebAddress | string {
  if (!text.startsWith('https://')) return otherwise;
  const authority = text.slice('https://'.length);
  return parseWebAddress(`http://${/:\d+$/.test(authority) ? authority : `${authority}:443`}`);
}

function parsed<T extends object>(parse: (text: string) => T | string): z.ZodType<T> {
  return nonEmptyText.transform((text, context) => {
    const value = parse(text);
    if (typeof value !== 'string') return value;
    context.addIssue(value);
    return z.NEVER;
  });
}

export const groupError: (issue: { readonly input?: unknown }) => string =
  expected('must be a group of keys');

/** A group of keys; an absent group is one in which every key has its default. */
export function section<Shape extends z.ZodRawShape>(shape: Shape): z.ZodType<z.output<z.ZodObject<Shape>>> {
  return z.strictObject(shape, { error: groupError }).prefault({} as z.input<z.ZodObject<Shape>>);
}

/** The sentence for a value of the wrong type, or for none at all. */
export function expected(what: string): (issue: { readonly input?: unknown }) => string {
  return ({ input }) => (input === undefined ? 'must be given' : `${what}, not ${describe(input)}`);
}

function describe(input: unknown): string {
  if (input === null) return 'empty';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'object') return 'a group of keys';
  return typeof input === 'string' ? `"${input}"` : JSON.stringify(input);
}

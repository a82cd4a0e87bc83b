import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, dataPaths } from '../config/index.ts';
import {
  type AuditReader,
  addressParty,
  openAuditReader,
  ProvenanceError,
  type StoredParty,
  type StoredRecord,
} from '../provenance/index.ts';
import { isFingerprint, sipUserOf } from '../tokens/index.ts';
import { CliError } from './failure.ts';
import { mustFind, withOverlay } from './overlay-access.ts';

/** Opens the log for reading, beside a running gateway or without one. */
export async function withLog<Result>(
  config: Config,
  use: (log: AuditReader) => Promise<Result>,
): Promise<Result> {
  const { log: directory, index: indexDirectory } = dataPaths(config.dataDir);
  let log: AuditReader;
  try {
    log = await openAuditReader({ directory, indexDirectory });
  } catch (error) {
    if (error instanceof ProvenanceError && error.code === 'checkpoint-missing') throw noLog(config);
    throw error;
  }
  try {
    return await use(log);
  } finally {
    await log.close();
  }
}

export function noLog(config: Config): CliError {
  return new CliError(
    'notFound',
    `there is no audit log in ${config.dataDir}`,
    "name the gateway's data directory with --data-dir",
  );
}

/** The fingerprint of whom the user means; a fingerprint needs no overlay, so that a copied log is enough. */
export async function fingerprintFor(config: Config, who: string): Promise<string> {
  if (isFingerprint(who)) return who;
  return withOverlay(config, async (overlay) => {
    const identity = await overlay.lookup(who);
    if (identity) return identity.fingerprint;
    if (isOutside(who)) return addressParty(who);
    return (await mustFind(overlay, who)).fingerprint;
  });
}

/**
 * Everything that the log knows somebody by: the identity, and its name and numbers as addresses, under which calls
 * stand that came before it was enrolled, or that proved nothing.
 */
export async function allFingerprintsFor(config: Config, who: string): Promise<readonly string[]> {
  const fingerprint = await fingerprintFor(config, who);
  return withOverlay(config, async (overlay) => {
    const identity = await overlay.lookup(fingerprint);
    const addresses = identity
      ? [identity.name, `${sipUserOf(identity.name)}@${config.domain}`, ...identity.aliases]
      : isFingerprint(who)
        ? []
        : [who];
    return [...new Set([fingerprint, ...addresses.map(addressParty)])];
  });
}

/** A number, however it is written, or an address that may stand in the log without being anybody's here. */
function isOutside(who: string): boolean {
  return who.includes('@') || /^[+\d*#().-]+$/.test(who);
}

/** Names for fingerprints, as far as the overlay is there to tell them. */
export async function withNames<Result>(
  config: Config,
  use: (nameOf: (fingerprint: string) => Promise<string | undefined>) => Promise<Result>,
): Promise<Result> {
  const alone =
    config.overlay.store.kind === 'embedded' &&
    !existsSync(join(dataPaths(config.dataDir).overlay, 'data.mdb'));
  if (alone) return use(async () => undefined);
  return withOverlay(config, (overlay) => {
    const names = new Map<string, string | undefined>();
    return use(async (fingerprint) => {
      if (!names.has(fingerprint)) names.set(fingerprint, (await overlay.lookup(fingerprint))?.name);
      return names.get(fingerprint);
    });
  });
}

/** A party by its name here, by what the record calls it, or by its fingerprint. */
export function partyName(name: string | undefined, party: StoredParty, { erin }: StoredRecord): string {
  const said = party.role === 'subject' ? (erin['asked'] ?? erin['claimed']) : erin[party.role];
  return name ?? (typeof said === 'string' ? said : shortId(party.fingerprint));
}

/** Enough of an id to tell it from others, and to find it again: every command takes a prefix. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** The whole record of an id or its prefix. */
export async function mustGet(log: AuditReader, id: string): Promise<StoredRecord> {
  const record = await log.get(id);
  if (record) return record;
  throw new CliError('notFound', `the log has no record ${id}`, 'list them with: tibet-sip audit list');
}

/**
 * `2026-01-31`, its first moment; `2026-01-31T12:00:00Z`; or a span back from now: `90s`, `15m`, `2h`, `7d`. Everything is
 * UTC unless it says otherwise, as records are shown: the machine's own time zone changes nothing.
 */
export function parseWhen(text: string): number {
  const span = /^(\d+)([smhd])$/.exec(text);
  const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[span?.[2] ?? ''];
  const whenMs = span && unitMs !== undefined ? Date.now() - Number(span[1]) * unitMs : parseDate(text);
  if (Number.isNaN(whenMs))
    throw new CliError(
      'usage',
      `"${text}" is not a time`,
      'write 2026-01-31, 2026-01-31T12:00:00Z or 15m, 2h, 7d',
    );
  return whenMs;
}

/** RFC 3339, the seconds and the zone left out or not; NaN for all else, 31 February among it. */
function parseDate(text: string): number {
  const parts = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
  const [, day = '', time = '00:00', zone = 'Z'] = parts ?? [];
  const midnight = Date.parse(`${day}T00:00Z`);
  const exists = !Number.isNaN(midnight) && new Date(midnight).toISOString().startsWith(day);
  return exists ? Date.parse(`${day}T${time}${zone}`) : Number.NaN;
}

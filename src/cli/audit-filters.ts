import type { Command } from 'commander';
import type { Config } from '../config/index.ts';
import type { AuditReader, RecordQuery, StoredRecord } from '../provenance/index.ts';
import { fingerprintFor, parseWhen } from './audit-access.ts';
import type { CommonOptions } from './command.ts';
import { CliError } from './failure.ts';
import { withOverlay } from './overlay-access.ts';

export interface FilterOptions extends CommonOptions {
  readonly identity?: string;
  readonly pseudonyms?: boolean;
  readonly call?: string;
  readonly event?: string;
  readonly outcome?: string;
  readonly intent?: string;
  readonly after?: number;
  readonly since?: number;
  readonly until?: number;
  readonly limit?: number;
  readonly follow?: boolean;
}

const followIntervalMs = 300;
const pageSize = 500;

export function addFilters(command: Command): Command {
  return command
    .option('--identity <who>', 'name, fingerprint or number of a party; a pseudonym is an identity, too')
    .option(
      '--pseudonyms',
      'with --identity: and its pseudonyms that show whose they are (for a hidden one: check-link)',
    )
    .option('--call <id>', "the gateway's id of a call, or a SIP Call-ID")
    .option('--event <event>', 'like call.attempt')
    .option('--outcome <outcome>', 'how the call ended: answered, busy, cancelled, refused, …')
    .option('--intent <words>', 'calls whose declared intent has these words')
    .option('--since <time>', 'from then on: 2026-01-31, 2026-01-31T12:00:00Z, 15m, 2h, 7d', parseWhen)
    .option('--until <time>', 'up to then; a day alone is its first moment', parseWhen)
    .option(
      '--after <position>',
      'only what follows this place in the log: a next page; -1 for the first one',
      countOf('--after', -1),
    );
}

export async function queryOf(config: Config, options: FilterOptions): Promise<RecordQuery> {
  const { identity, call, event, outcome, intent, after, since, until } = options;
  if (options.pseudonyms === true && identity === undefined)
    throw new CliError('usage', '--pseudonyms goes with --identity');
  for (const [name, value] of Object.entries({ identity, call, event, outcome, intent }))
    if (value?.trim() === '') throw new CliError('usage', `--${name} is empty`);
  if (since !== undefined && until !== undefined && since > until)
    throw new CliError('usage', '--since is later than --until');
  return {
    ...(identity !== undefined && { identity: await identitiesOf(config, identity, options) }),
    ...(call !== undefined && { callId: call }),
    ...(event !== undefined && { event }),
    ...(outcome !== undefined && { outcome }),
    ...(intent !== undefined && { intent }),
    ...(after !== undefined && { after }),
    ...(since !== undefined && { sinceMs: since }),
    ...(until !== undefined && { untilMs: until }),
  };
}

/** A pseudonym's token names the fingerprint of the identity that issued it. */
async function identitiesOf(
  config: Config,
  who: string,
  { pseudonyms }: FilterOptions,
): Promise<readonly string[]> {
  const fingerprint = await fingerprintFor(config, who);
  if (pseudonyms !== true) return [fingerprint];
  return withOverlay(config, async (overlay) => {
    const found = [fingerprint];
    let cursor: string | undefined;
    do {
      const page = await overlay.identities({ limit: pageSize, ...(cursor !== undefined && { cursor }) });
      for (const one of page.items) if (one.parent === fingerprint) found.push(one.fingerprint);
      cursor = page.cursor;
    } while (cursor !== undefined);
    return found;
  });
}

/** What is there, and with `follow` what comes, until the signal. */
export async function* recordsOf(
  log: AuditReader,
  query: RecordQuery,
  follow?: AbortSignal,
): AsyncGenerator<StoredRecord, void, undefined> {
  let { after } = query;
  for (;;) {
    for await (const record of log.query({ ...query, ...(after !== undefined && { after }) })) {
      yield record;
      after = record.position;
      if (follow?.aborted) return;
    }
    if (!follow || follow.aborted) return;
    await pause(followIntervalMs, follow);
  }
}

export function countOf(option: string, least = 0): (text: string) => number {
  return (text) => {
    const count = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(count) || count < least)
      throw new CliError('usage', `${option} takes a number from ${least} on, not "${text}"`);
    return count;
  };
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, delayMs);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}

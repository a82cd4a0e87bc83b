import type { Timer } from '../base/index.ts';
import { dataPaths } from '../config/index.ts';
import { IdentityOverlay, type OverlayEvent, openStore, overlayRecord } from '../overlay/index.ts';
import { AuditLog, ProvenanceError } from '../provenance/index.ts';
import { type Audit, noAudit } from './audit.ts';
import { EventSpool } from './event-spool.ts';
import { replayWindowMs } from './intent-gate.ts';
import type { NodeKeys } from './node-keys.ts';
import type { Surroundings } from './parts.ts';
import { SingleUse } from './single-use.ts';
import { softwareHash, softwareVersion } from './software.ts';
import { UsedTokens } from './used-tokens.ts';

/** How often the log commits to the newest record of every identity. */
const headsIntervalMs = 3_600_000;

/** Opens the audit log and recovers what a crash left; with `audit.enabled: false` one that takes nothing. */
export async function openAudit(around: Surroundings, keys: NodeKeys): Promise<Audit> {
  const { clock, random, logger } = around;
  const { audit, dataDir, limits } = around.config;
  if (!audit.enabled) return noAudit;
  const paths = dataPaths(dataDir);
  const log = await AuditLog.open({
    directory: paths.log,
    indexDirectory: paths.index,
    checkpointKey: keys.checkpoint.key,
    origin: audit.origin,
    nodeKey: keys.node.key,
    nodeFingerprint: keys.node.token.fingerprint,
    nodeToken: keys.node.token.bytes,
    software: { name: 'tibet-sip', version: softwareVersion, hash: softwareHash() },
    clock,
    random,
    logger,
    limits: limits.audit,
  });
  around.closing.opened(() => log.close());
  commitHeadsHourly(around, log);
  const { policy } = audit.witnesses;
  if (policy !== undefined) {
    // Loaded only where somebody wants it: the verifier's cryptography takes its time.
    const { startWitnesses } = await import('./witness-post.ts');
    startWitnesses(around, log, policy);
  }
  return log;
}

/** So that whoever gets a list of an identity's records can be shown that it is complete. */
function commitHeadsHourly({ clock, logger, closing }: Surroundings, log: AuditLog): void {
  let committed = { atMs: clock.now(), size: log.size };
  const next = (): Timer =>
    clock.setTimer(headsIntervalMs, () => {
      timer = next();
      if (clock.now() - committed.atMs < headsIntervalMs || log.size === committed.size) return;
      committed = { atMs: clock.now(), size: log.size + 1 };
      log
        .commitHeads()
        .catch((error: unknown) => logger.warn({ error: String(error) }, 'heads are not committed to'));
    });
  let timer = next();
  closing.opened(() => timer.cancel());
}

/** Opens the overlay; each of its events leaves a record, and then goes to `onEvent`. */
export async function openOverlay(
  around: Surroundings,
  node: string,
  audit: Audit,
  onEvent: (event: OverlayEvent) => void,
): Promise<IdentityOverlay> {
  const { config, clock, random, logger, closing } = around;
  const { overlay: settings, dataDir, limits } = config;
  const overlay = new IdentityOverlay({
    store: await openStore({ ...settings.store, tls: settings.tls }, dataPaths(dataDir).overlay, {
      logger,
      maxMappedBytes: limits.overlay.maxMappedBytes,
    }),
    node,
    nodeSecret: settings.node.secret,
    clock,
    random,
    logger,
    enrolment: settings.enrolment,
    limits: limits.overlay,
    onEvent: (event) => {
      recordEvent(around, audit, event);
      onEvent(event);
    },
  });
  closing.opened(() => overlay.close());
  return overlay;
}

/** This gateway's own memory of used tokens, and the one that it shares with the others of its store. */
export function openUsedTokens(
  { config, clock, closing }: Surroundings,
  shared: IdentityOverlay,
): { readonly own: SingleUse; readonly used: UsedTokens } {
  const windowMs = replayWindowMs(config.auth.nonceLifetimeMs);
  const own = SingleUse.open(dataPaths(config.dataDir).usedTokens, windowMs, clock.now());
  closing.opened(() => own.close());
  return { own, used: new UsedTokens({ own, shared, windowMs }) };
}

/** Takes in what the command line has left, now and from now on. */
export async function startEventSpool(
  { config, clock, logger, closing }: Surroundings,
  audit: Audit,
): Promise<void> {
  const spool = new EventSpool({ directory: dataPaths(config.dataDir).spool, audit, clock, logger });
  await spool.start();
  closing.opened(() => spool.close());
}

function recordEvent({ logger }: Surroundings, audit: Audit, event: OverlayEvent): void {
  try {
    audit.append(overlayRecord(event));
  } catch (error) {
    if (!(error instanceof ProvenanceError)) throw error;
    logger.error(
      { event: event.kind, asked: event.asked, code: error.code },
      'an identity event left no record',
    );
  }
}

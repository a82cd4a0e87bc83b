import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { type Clock, type LogFields, type Logger, systemClock, systemRandom } from '../../src/base/index.ts';
import { dataPaths, loadConfig } from '../../src/config/index.ts';
import { createGateway } from '../../src/gateway/index.ts';
import { IdentityOverlay, openStore } from '../../src/overlay/index.ts';
import {
  type LogVerdict,
  openAuditReader,
  ProvenanceError,
  type RecordId,
  type RecordQuery,
  type StoredRecord,
  type VerifyLogOptions,
  verifyLog,
} from '../../src/provenance/index.ts';
import { mintDigestCredential, type TransportName } from '../../src/sip/index.ts';
import {
  type AdmissionHooks,
  createIdentityToken,
  generateSigningKey,
  type IdentityToken,
  loadIdentity,
} from '../../src/tokens/index.ts';
import { parseTrust, type Report, verifyFile } from '../../src/verify/index.ts';
import { callChains, chainFaults } from './audit-trail.ts';
import { type AgentOptions, type KeyIdentity, SipAgent } from './sip-agent.ts';
import type { WireTransport } from './sip-wire.ts';

export const testDomain = 'sip.test';

/** A stock phone that the gateway knows from its start. */
export interface StockPhone {
  readonly name: string;
  readonly password: string;
  readonly extension?: string;
}

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: LogFields;
}

export interface TestGatewayOptions {
  readonly devices?: readonly StockPhone[];
  /** `path=value`, as on the command line. */
  readonly set?: readonly string[];
  readonly hooks?: Partial<AdmissionHooks>;
  /** Instead of an embedded one. */
  readonly store?: string;
  readonly domain?: string;
}

/** The machine's clock, moved by as much as a test says; what waits for a timer is not hurried. */
export class ShiftedClock implements Clock {
  /** Added to the wall clock. */
  shiftMs = 0;
  /** Makes each look at the time cost ten seconds, so that `close()` does not wait for timers of ended transactions. */
  hurried = false;
  #hurriedMs = 0;

  now(): number {
    return systemClock.now() + this.shiftMs;
  }

  monotonicMs(): number {
    if (this.hurried) this.#hurriedMs += 10_000;
    return systemClock.monotonicMs() + this.#hurriedMs;
  }

  setTimer(delayMs: number, callback: () => void): ReturnType<Clock['setTimer']> {
    return systemClock.setTimer(delayMs, callback);
  }
}

/** A gateway in this process, on free ports and a data directory of its own, and the phones that talk to it. */
export class TestGateway {
  readonly domain: string;
  readonly clock: ShiftedClock = new ShiftedClock();
  readonly log: LogLine[] = [];
  /** Where it publishes its identities. */
  federationPort = 0;
  readonly #dataDir: string;
  readonly #agents: SipAgent[] = [];
  readonly #passwords = new Map<string, string>();
  #ports = new Map<string, number>();
  #stop: () => Promise<void> = async () => {};

  private constructor(dataDir: string, domain: string) {
    this.domain = domain;
    this.#dataDir = dataDir;
  }

  static async open(options: TestGatewayOptions = {}): Promise<TestGateway> {
    const { devices = [], set = [], hooks = {}, store, domain = testDomain } = options;
    const gateway = new TestGateway(await mkdtemp(join(tmpdir(), 'tibet-sip-gateway-')), domain);
    await gateway.#enrol(devices, store);
    await gateway.#start(store === undefined ? set : [`overlay.store=${store}`, ...set], hooks);
    return gateway;
  }

  get dataDir(): string {
    return this.#dataDir;
  }

  port(transport: TransportName): number {
    const port = this.#ports.get(transport);
    if (port === undefined) throw new Error(`the gateway does not listen on ${transport}`);
    return port;
  }

  /** A phone with a key of its own, not yet registered. */
  keyPhone(name: string, transport: WireTransport, options: Partial<AgentOptions> = {}): Promise<SipAgent> {
    return this.#agent({ identity: newIdentity(`jis:${name}`), user: name, transport, ...options });
  }

  /** One of the stock phones, not yet registered. */
  stockPhone(user: string, transport: WireTransport, options: Partial<AgentOptions> = {}): Promise<SipAgent> {
    const password = this.#passwords.get(options.username ?? user) ?? 'no such phone';
    return this.#agent({ user, transport, password, ...options });
  }

  /** A client that proves nothing. */
  stranger(user: string, transport: WireTransport): Promise<SipAgent> {
    return this.#agent({ user, transport });
  }

  /** Who signs on behalf of phones that cannot. */
  async identity(): Promise<IdentityToken> {
    return (await loadIdentity(dataPaths(this.#dataDir).gatewayKey)).token;
  }

  /** What the gateway said of refusals since `from`. */
  faults(from = 0): unknown[] {
    return this.log.slice(from).flatMap(({ fields }) => ('fault' in fields ? [fields['fault']] : []));
  }

  /** The records so far, of the running gateway or the closed one. */
  async records(query: RecordQuery = {}): Promise<StoredRecord[]> {
    const { log } = dataPaths(this.#dataDir);
    // Without the index, which this process may not open a second time.
    const reader = await openAuditReader({ directory: log, indexDirectory: join(this.#dataDir, 'none') });
    try {
      const found: StoredRecord[] = [];
      for await (const record of reader.query(query)) found.push(record);
      return found;
    } finally {
      await reader.close();
    }
  }

  /** The records, once there are calls and all of them are closed: their last records wait for a shared sync. */
  closedCalls(query: RecordQuery = {}): Promise<StoredRecord[]> {
    return vi.waitFor(
      async () => {
        const trail = await this.records(query);
        if (callChains(trail).size === 0) throw new Error('no call is on record');
        const [fault] = chainFaults(trail);
        if (fault !== undefined) throw new Error(fault);
        return trail;
      },
      { timeout: 5_000 },
    );
  }

  /** What the closing record of a call says. */
  async closingOf(callId: string): Promise<Readonly<Record<string, unknown>>> {
    return (await this.closedCalls({ callId })).at(-1)?.erin ?? {};
  }

  /** What an auditor with the verifier key alone finds in the proof of a record, once a checkpoint covers it. */
  async proofOf(record: RecordId): Promise<Report> {
    const { log } = dataPaths(this.#dataDir);
    const reader = await openAuditReader({ directory: log, indexDirectory: join(this.#dataDir, 'none') });
    try {
      const proof = await vi.waitUntil(() => reader.prove(record).catch(pendingOnly), { timeout: 10_000 });
      return verifyFile(proof, parseTrust(await readFile(join(log, 'public/vkey'), 'utf8')));
    } finally {
      await reader.close();
    }
  }

  /** Checks the whole log, as `audit verify` does. */
  verifyLog(options: Omit<VerifyLogOptions, 'directory'> = {}): Promise<LogVerdict> {
    return verifyLog({ ...options, directory: dataPaths(this.#dataDir).log });
  }

  /** Ends the gateway; its records can still be read. */
  async stop(): Promise<void> {
    this.clock.hurried = true;
    await this.#stop();
    this.#stop = async () => {};
  }

  async close(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.close().catch(() => {})));
    await this.stop();
    await rm(this.#dataDir, { recursive: true, force: true });
  }

  async #agent(options: Omit<AgentOptions, 'port' | 'domain'>): Promise<SipAgent> {
    const port = this.port(options.transport);
    const agent = await SipAgent.open({ domain: this.domain, clock: this.clock, ...options, port });
    this.#agents.push(agent);
    return agent;
  }

  async #enrol(devices: readonly StockPhone[], url: string | undefined): Promise<void> {
    const { overlay: directory } = dataPaths(this.#dataDir);
    const store = await openStore(
      url === undefined ? { kind: 'embedded' } : { kind: 'redis', url },
      directory,
    );
    const overlay = new IdentityOverlay({ store, node: 'test' });
    for (const { name, extension, password } of devices) {
      const username = extension ?? name;
      this.#passwords.set(username, password);
      const credential = mintDigestCredential({ username, realm: this.domain, password });
      await overlay.addDevice({
        name: `jis:${name}`,
        credential,
        ...(extension === undefined ? {} : { extension }),
      });
    }
    await overlay.close();
  }

  async #start(set: readonly string[], hooks: Partial<AdmissionHooks>): Promise<void> {
    const config = loadConfig({
      overrides: [
        `domain=${this.domain}`,
        `dataDir=${this.#dataDir}`,
        'listen=udp://127.0.0.1:0, tcp://127.0.0.1:0, ws://127.0.0.1:0',
        'admin.listen=off',
        ...set,
      ],
    });
    const gateway = createGateway({ config, logger: this.#logger(), clock: this.clock, hooks });
    const { listen, federation } = await gateway.start();
    this.federationPort = federation ?? 0;
    this.#ports = new Map(listen.map(({ transport, port }) => [transport, port]));
    this.#stop = () => gateway.close();
  }

  #logger(): Logger {
    const note =
      (level: LogLine['level']) =>
      (fields: LogFields, message: string): void =>
        void this.log.push({ level, message, fields });
    return {
      debugEnabled: false,
      debug: () => {},
      info: note('info'),
      warn: note('warn'),
      error: note('error'),
    };
  }
}

const tenDays = 864_000;

/** A fresh key and its identity token. */
export function newIdentity(subject: string): KeyIdentity {
  const key = generateSigningKey(systemRandom);
  const now = Math.floor(Date.now() / 1000);
  const token = createIdentityToken({ key, subject, notBefore: now - tenDays, expires: now + tenDays, now });
  return { token, key };
}

/** Nothing yet for a record that no checkpoint covers. */
function pendingOnly(error: unknown): undefined {
  if (!(error instanceof ProvenanceError) || error.code !== 'record-pending') throw error;
}

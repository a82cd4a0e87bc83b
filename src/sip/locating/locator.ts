import type { Clock, Random } from '../../base/index.ts';
import type { ConnectTarget } from '../transport/index.ts';
import { CachedNames } from './cached-names.ts';
import { DeadTargets } from './dead-targets.ts';
import type { LocatingLimits } from './limits.ts';
import { LocatingError } from './locating-error.ts';
import type { Answer, Names, NaptrRecord, SrvRecord } from './names.ts';
import { defaultPort, type HopTransport, isAddress, type LocatedTarget, type NextHop } from './next-hop.ts';
import { orderSrv } from './srv-order.ts';

export interface LocatorOptions {
  readonly names: Names;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: LocatingLimits;
  /** What flows can be opened over. */
  readonly transports: readonly HopTransport[];
}

interface Service {
  readonly transport: HopTransport;
  /** The name whose SRV records say where it is. */
  readonly srvName: string;
}

/** The NAPTR services of RFC 3263 §4.1 that a gateway can use; SCTP and WebSocket are not among them. */
const naptrServices: Readonly<Record<string, HopTransport>> = {
  'SIP+D2U': 'udp',
  'SIP+D2T': 'tcp',
  'SIPS+D2T': 'tls',
};
const srvPrefixes: Readonly<Record<HopTransport, string>> = {
  udp: '_sip._udp.',
  tcp: '_sip._tcp.',
  tls: '_sips._tcp.',
};

/** RFC 3263 §4: from a next hop to the addresses at which to try it, in order. */
export class Locator {
  readonly #options: LocatorOptions;
  readonly #names: Names;
  readonly #dead: DeadTargets;
  #closed = false;

  constructor(options: LocatorOptions) {
    this.#options = options;
    this.#names = new CachedNames(options.names, options);
    this.#dead = new DeadTargets(options);
  }

  /**
   * At least one target, those that failed lately last. Rejects with LocatingError; an aborted caller leaves, what was
   * asked goes on for others.
   */
  async locate(hop: NextHop, signal?: AbortSignal): Promise<readonly LocatedTarget[]> {
    if (this.#closed) throw new LocatingError('closed', hop.host);
    const found = await untilAborted(this.#locate(hop), hop.host, signal);
    if (found.length === 0) throw new LocatingError('not-found', hop.host);
    const alive = found.filter((target) => !this.#dead.has(target));
    return [...alive, ...found.filter((target) => !alive.includes(target))];
  }

  /** A failed address comes last for a while (RFC 3263 §4.3); `forMs` where it asked for a time itself. */
  markDead(target: ConnectTarget, forMs?: number): void {
    this.#dead.add(target, forMs);
  }

  markAlive(target: ConnectTarget): void {
    this.#dead.remove(target);
  }

  isDead(target: ConnectTarget): boolean {
    return this.#dead.has(target);
  }

  close(): void {
    this.#closed = true;
    this.#names.close();
  }

  async #locate(hop: NextHop): Promise<readonly LocatedTarget[]> {
    const { host, port } = hop;
    if (isAddress(host)) {
      const transport = hop.transport ?? this.#plainTransport(hop);
      return [{ transport, address: host, port: port ?? defaultPort(transport) }];
    }
    if (port !== undefined) return this.#atHost(hop, hop.transport ?? this.#plainTransport(hop), host, port);
    for (const service of await this.#services(hop)) {
      const targets = await this.#byService(hop, service);
      if (targets.length > 0) return targets;
    }
    const transport = hop.transport ?? this.#plainTransport(hop);
    return this.#atHost(hop, transport, host, defaultPort(transport));
  }

  /** RFC 3263 §4.1: for a bare address, an explicit port, and where DNS says nothing. */
  #plainTransport({ secure }: NextHop): HopTransport {
    if (secure) return 'tls';
    return this.#options.transports.includes('udp') ? 'udp' : 'tcp';
  }

  /** RFC 3263 §4.1: the SRV names to ask, each group only when the one before it leads nowhere. */
  async #services(hop: NextHop): Promise<readonly (readonly Service[])[]> {
    const { host, transport, secure } = hop;
    const bySrv = (candidate: HopTransport): Service => ({
      transport: candidate,
      srvName: srvPrefixes[candidate] + host,
    });
    if (transport !== undefined) return [[bySrv(transport)]];
    const usable = this.#options.transports.filter((candidate) => !secure || candidate === 'tls');
    const records = await orNone(this.#names.naptr(host));
    const naptr = [...records]
      .sort((a, b) => a.order - b.order || a.preference - b.preference)
      .flatMap((record) => serviceOf(record, usable));
    if (naptr.length > 0) return naptr.map((service) => [service]);
    // Without NAPTR every transport is asked for, those of the URI's own scheme only.
    return [usable.filter((candidate) => (candidate === 'tls') === secure).map(bySrv)];
  }

  /** Where the services of one group are; empty when DNS says nothing of them. */
  async #byService(hop: NextHop, services: readonly Service[]): Promise<readonly LocatedTarget[]> {
    const answers = await Promise.all(services.map(({ srvName }) => orNone(this.#names.srv(srvName))));
    const targets: LocatedTarget[] = [];
    let declined = false;
    for (const [at, records] of answers.entries()) {
      const service = services[at];
      if (service === undefined) continue;
      // RFC 2782: a lone "." says that the service is decidedly not there.
      const offered = records.filter(({ name }) => name !== '' && name !== '.');
      declined ||= offered.length < records.length;
      targets.push(...(await this.#bySrv(hop, service.transport, offered)));
    }
    if (targets.length === 0 && declined) throw new LocatingError('not-offered', hop.host);
    return targets.slice(0, this.#options.limits.maxTargets);
  }

  async #bySrv(
    hop: NextHop,
    transport: HopTransport,
    records: readonly SrvRecord[],
  ): Promise<readonly LocatedTarget[]> {
    const { random, limits } = this.#options;
    const ordered = orderSrv(records, random).slice(0, limits.maxTargets);
    // One host that cannot be found does not take the others with it.
    const found = await Promise.allSettled(
      ordered.map(({ name, port }) => this.#atHost(hop, transport, name, port)),
    );
    return found.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  }

  /** RFC 3263 §4.2: every address of a host, IPv4 first. */
  async #atHost(
    hop: NextHop,
    transport: HopTransport,
    name: string,
    port: number,
  ): Promise<readonly LocatedTarget[]> {
    const serverName = transport === 'tls' ? { serverName: hop.host } : {};
    const [ipv4, ipv6] = await Promise.allSettled([
      this.#names.addresses(name, 4),
      this.#names.addresses(name, 6),
    ]);
    if (ipv4.status === 'rejected' && ipv6.status === 'rejected') throw worse(ipv4.reason, ipv6.reason);
    return [ipv4, ipv6]
      .flatMap((result) => (result.status === 'fulfilled' ? result.value.records : []))
      .slice(0, this.#options.limits.maxTargets)
      .map((address) => ({ transport, address, port, ...serverName }));
  }
}

function serviceOf(record: NaptrRecord, usable: readonly HopTransport[]): readonly Service[] {
  const transport = naptrServices[record.service.toUpperCase()];
  const terminal = record.flags.toLowerCase() === 's' && record.replacement !== '';
  if (transport === undefined || !terminal || !usable.includes(transport)) return [];
  return [{ transport, srvName: record.replacement }];
}

/**
 * A server that fails at NAPTR or SRV, as many home routers do, is no reason to give up the host's plain address;
 * when that fails too, its error is the one that is told.
 */
async function orNone<T>(answer: Promise<Answer<T>>): Promise<readonly T[]> {
  try {
    return (await answer).records;
  } catch (error) {
    if (error instanceof LocatingError && error.code !== 'closed') return [];
    throw error;
  }
}

/** Of two failures the one that is not "there is none": it may pass, and says more. */
function worse(first: unknown, second: unknown): unknown {
  return first instanceof LocatingError && first.code === 'not-found' ? second : first;
}

async function untilAborted<T>(work: Promise<T>, host: string, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new LocatingError('aborted', host, signal.reason));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Whoever lost the race may still reject.
    work.catch(() => {});
  }
}

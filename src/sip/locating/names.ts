import { lookup, Resolver } from 'node:dns/promises';
import { dnsError } from './locating-error.ts';

export interface SrvRecord {
  /** A host name; empty or "." when the service is not there (RFC 2782). */
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

export interface NaptrRecord {
  readonly order: number;
  readonly preference: number;
  readonly flags: string;
  /** Such as `SIP+D2U`. */
  readonly service: string;
  readonly replacement: string;
}

/** Records and for how long they hold; undefined when the resolver doesn't tell. */
export interface Answer<T> {
  readonly records: readonly T[];
  readonly ttlMs: number | undefined;
}

/** Who knows names. Every question rejects with LocatingError; "there is none" is 'not-found'. */
export interface Names {
  naptr(name: string): Promise<Answer<NaptrRecord>>;
  srv(name: string): Promise<Answer<SrvRecord>>;
  addresses(name: string, family: 4 | 6): Promise<Answer<string>>;
  /** Ends what is under way. */
  close(): void;
}

export interface DnsOptions {
  /** `address` or `address:port`, IPv6 in brackets when a port follows. Empty: those of the system. */
  readonly servers: readonly string[];
  /** For one attempt at one server. */
  readonly timeoutMs: number;
  /** Attempts per server. */
  readonly tries: number;
}

/**
 * DNS through Node's own resolver (c-ares): NAPTR, SRV and addresses over UDP and TCP, several servers, time-outs and
 * cancelling. It tells the TTL of addresses only. Where the system's servers are used, so is its hosts file.
 */
export class DnsNames implements Names {
  readonly #resolver: Resolver;
  readonly #hostsFile: boolean;

  constructor(options: DnsOptions) {
    const { servers, timeoutMs, tries } = options;
    // Without maxTimeout each further try doubles its time.
    this.#resolver = new Resolver({ timeout: timeoutMs, tries, maxTimeout: timeoutMs });
    if (servers.length > 0) this.#resolver.setServers(servers);
    this.#hostsFile = servers.length === 0;
  }

  naptr(name: string): Promise<Answer<NaptrRecord>> {
    return ask(name, async () => ({ records: await this.#resolver.resolveNaptr(name), ttlMs: undefined }));
  }

  srv(name: string): Promise<Answer<SrvRecord>> {
    return ask(name, async () => ({ records: await this.#resolver.resolveSrv(name), ttlMs: undefined }));
  }

  async addresses(name: string, family: 4 | 6): Promise<Answer<string>> {
    try {
      return await ask(name, async () => this.#resolve(name, family));
    } catch (error) {
      if (!this.#hostsFile) throw error;
      return await ask(name, async () => {
        const found = await lookup(name, { family, all: true });
        return { records: found.map(({ address }) => address), ttlMs: undefined };
      });
    }
  }

  close(): void {
    this.#resolver.cancel();
  }

  async #resolve(name: string, family: 4 | 6): Promise<Answer<string>> {
    const options = { ttl: true } as const;
    const found =
      family === 4
        ? await this.#resolver.resolve4(name, options)
        : await this.#resolver.resolve6(name, options);
    const seconds = Math.min(...found.map(({ ttl }) => ttl));
    return { records: found.map(({ address }) => address), ttlMs: seconds * 1_000 };
  }
}

async function ask<T>(name: string, question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (cause) {
    throw dnsError(name, cause);
  }
}

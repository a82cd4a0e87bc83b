import { type RequestOptions, request } from 'node:https';
import { isIP } from 'node:net';
import { FederationError } from './errors.ts';

export interface RecordClientLimits {
  /** For the whole of one question, DNS included. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Questions under way; what comes beyond is refused. */
  readonly maxConcurrent: number;
}

export const defaultRecordClientLimits: RecordClientLimits = {
  timeoutMs: 3_000,
  maxBytes: 16_384,
  maxConcurrent: 64,
};

/** The part of DNS that is needed; rejects for what is not there. */
export interface RecordNames {
  srv(name: string): Promise<{
    readonly records: readonly { readonly name: string; readonly port: number; readonly priority: number }[];
  }>;
  addresses(name: string, family: 4 | 6): Promise<{ readonly records: readonly string[] }>;
}

export interface RecordClientOptions {
  readonly names: RecordNames;
  /** Which addresses may be asked at all. */
  readonly mayAsk: (address: string) => boolean;
  /** Where domains publish that the operator has named: neither DNS nor `mayAsk` is asked about them. */
  readonly known?: ReadonlyMap<string, { readonly host: string; readonly port: number }>;
  /** Authorities in PEM; absent: the system's. */
  readonly ca?: string | undefined;
  readonly limits: RecordClientLimits;
}

export const wellKnown = '/.well-known/tibet-sip';
const httpsPort = 443;
const maxTargets = 4;

interface Place {
  readonly address: string;
  readonly port: number;
}

/**
 * Asks a domain over HTTPS. Strangers choose the domain, so: its addresses are looked up here and checked before
 * anything is sent to them, the connection goes to the checked address, the certificate has to be the domain's own,
 * redirections are not followed, and time, size and number of questions are bounded.
 */
export class RecordClient {
  readonly #options: RecordClientOptions;
  #open = 0;

  constructor(options: RecordClientOptions) {
    this.#options = options;
  }

  /** The text below the well-known path; rejects with FederationError. */
  async get(domain: string, path: string): Promise<string> {
    const { limits } = this.#options;
    if (this.#open >= limits.maxConcurrent) throw new FederationError('busy', 'too many questions at a time');
    this.#open += 1;
    try {
      const signal = AbortSignal.timeout(limits.timeoutMs);
      return await untilAborted(this.#get(domain, path, signal), signal);
    } finally {
      this.#open -= 1;
    }
  }

  async #get(domain: string, path: string, signal: AbortSignal): Promise<string> {
    // A name that somebody has to hold a certificate for.
    if (isIP(domain) !== 0) throw new FederationError('forbidden-address', 'an address is no domain');
    const known = this.#options.known?.get(domain);
    const places =
      known === undefined ? await this.#places(domain) : await this.#at([{ ...known, name: known.host }]);
    const open = places
      .filter(({ address }) => known !== undefined || this.#options.mayAsk(address))
      .slice(0, maxTargets);
    if (places.length > 0 && open.length === 0)
      throw new FederationError('forbidden-address', `${domain} is at no public address`);
    let failure: unknown;
    for (const place of open) {
      try {
        return await this.#ask(domain, place, path, signal);
      } catch (error) {
        if (error instanceof FederationError && error.code !== 'unreachable') throw error;
        failure = error;
      }
    }
    throw new FederationError('unreachable', `${domain} cannot be asked`, { cause: failure });
  }

  /** Where SRV says, else at the domain itself. */
  async #places(domain: string): Promise<readonly Place[]> {
    const { names } = this.#options;
    const { records } = await names.srv(`_tibet-sip._tcp.${domain}`).catch(() => ({ records: [] }));
    const hosts =
      records.length === 0
        ? [{ name: domain, port: httpsPort }]
        : records.toSorted((a, b) => a.priority - b.priority).slice(0, maxTargets);
    return this.#at(hosts);
  }

  async #at(hosts: readonly { readonly name: string; readonly port: number }[]): Promise<readonly Place[]> {
    const { names } = this.#options;
    const found = await Promise.all(
      hosts.map(async ({ name, port }) => {
        if (isIP(name) !== 0) return [{ address: name, port }];
        const [ipv4, ipv6] = await Promise.allSettled([names.addresses(name, 4), names.addresses(name, 6)]);
        const addresses = [ipv4, ipv6].flatMap((answer) =>
          answer.status === 'fulfilled' ? answer.value.records : [],
        );
        return addresses.map((address) => ({ address, port }));
      }),
    );
    return found.flat();
  }

  #ask(domain: string, { address, port }: Place, path: string, signal: AbortSignal): Promise<string> {
    const { ca, limits } = this.#options;
    const options: RequestOptions = {
      host: address,
      port,
      servername: domain,
      path: wellKnown + path,
      headers: { host: domain, accept: 'application/json' },
      agent: false,
      signal,
      minVersion: 'TLSv1.2',
      ...(ca !== undefined && { ca }),
    };
    return new Promise((resolve, reject) => {
      const unreachable = (cause: unknown): void =>
        reject(new FederationError('unreachable', `${domain} does not answer`, { cause }));
      const asking = request(options, (response) => {
        const give = (error: FederationError): void => {
          reject(error);
          asking.destroy();
        };
        if (response.statusCode === 404)
          return give(new FederationError('not-found', `unknown at ${domain}`));
        if (response.statusCode !== 200)
          return give(new FederationError('malformed', `${domain} answers ${response.statusCode}`));
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > limits.maxBytes) give(new FederationError('too-large', `${domain} says too much`));
          else chunks.push(chunk);
        });
        response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
        response.on('error', unreachable);
      });
      asking.on('error', unreachable);
      asking.end();
    });
  }
}

async function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new FederationError('unreachable', 'no answer in time'));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Whoever lost the race may still reject.
    work.catch(() => {});
  }
}

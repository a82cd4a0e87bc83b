import { stat } from 'node:fs/promises';
import type { SecureContext, SecureContextOptions, Server, TlsOptions as ServerTlsOptions } from 'node:tls';
import type { Clock, Logger, Timer } from '../../base/index.ts';
import { filesOf, loadTlsMaterial, type TlsMaterial, type TlsOptions } from './tls-material.ts';
import { TransportError } from './transport-error.ts';

export const defaultWatchIntervalMs = 10_000;

export interface CertificateStoreOptions {
  readonly tls: TlsOptions;
  readonly clock: Clock;
  readonly logger: Logger;
}

type SecureServer = Pick<Server, 'setSecureContext'>;

/** The certificates in use. A reload concerns new connections; those that are open keep what they have. */
export class CertificateStore {
  readonly #options: CertificateStoreOptions;
  readonly #servers = new Set<SecureServer>();
  #material: TlsMaterial;
  /** Size and time of the files when they were last read. */
  #stamp: string;
  #timer: Timer | undefined;
  #closed = false;

  private constructor(options: CertificateStoreOptions, material: TlsMaterial, stamp: string) {
    this.#options = options;
    this.#material = material;
    this.#stamp = stamp;
  }

  /** Throws TransportError `tls-material` when a file is missing or wrong. */
  static async open(options: CertificateStoreOptions): Promise<CertificateStore> {
    const stamp = await stampOf(options.tls);
    const store = new CertificateStore(options, await loadTlsMaterial(options.tls), stamp);
    store.#watch();
    return store;
  }

  /** For connections that we open. */
  get clientOptions(): SecureContextOptions {
    return this.#material.base;
  }

  /** For a server, which is to be handed to `serve` afterwards. */
  get serverOptions(): ServerTlsOptions {
    return {
      ...this.#material.base,
      requestCert: this.#options.tls.requestClientCertificate === true,
      // An unverified client certificate is told from a verified one by `authorized`, not by a failed handshake.
      rejectUnauthorized: false,
      SNICallback: (name: string, callback: (error: Error | null, context?: SecureContext) => void) =>
        callback(null, this.#material.contextFor(name)),
    };
  }

  /** From now on that server gets new certificates. */
  serve(server: SecureServer): void {
    this.#servers.add(server);
  }

  forget(server: SecureServer): void {
    this.#servers.delete(server);
  }

  /** Reads all files again. Throws TransportError when one is wrong, and then the certificates in use stay. */
  async reload(): Promise<void> {
    const { tls, logger } = this.#options;
    // Before reading: a file that changes in between is read once more.
    this.#stamp = await stampOf(tls);
    const material = await loadTlsMaterial(tls);
    this.#material = material;
    for (const server of this.#servers) server.setSecureContext(material.base);
    logger.info({ certificates: 1 + (tls.certificates?.length ?? 0) }, 'TLS certificates loaded again');
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #watch(): void {
    const { tls, clock } = this.#options;
    const intervalMs = tls.watchIntervalMs ?? defaultWatchIntervalMs;
    if (intervalMs === 0 || this.#closed || filesOf(tls).length === 0) return;
    this.#timer = clock.setTimer(intervalMs, () => {
      void this.#reloadIfChanged().finally(() => this.#watch());
    });
  }

  /** Certificate and key are two files: a pair that doesn't fit yet is tried again at its next change. */
  async #reloadIfChanged(): Promise<void> {
    const { tls, logger } = this.#options;
    try {
      if ((await stampOf(tls)) !== this.#stamp) await this.reload();
    } catch (error) {
      const fault = error instanceof TransportError ? error.message : String(error);
      logger.error({ error: fault }, 'changed TLS files cannot be used; the old certificates stay');
    }
  }
}

async function stampOf(tls: TlsOptions): Promise<string> {
  const stamps = filesOf(tls).map(async (file) => {
    try {
      const { mtimeMs, size, ino } = await stat(file);
      return `${mtimeMs}/${size}/${ino}`;
    } catch {
      // Reading it will say what is wrong.
      return 'missing';
    }
  });
  return (await Promise.all(stamps)).join(' ');
}

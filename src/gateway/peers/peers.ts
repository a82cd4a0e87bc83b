import type { PeerView } from '../../admin/index.ts';
import type { Clock, Logger, Random } from '../../base/index.ts';
import type { PeerConfig } from '../../config/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../../overlay/index.ts';
import type { Locator } from '../../sip/index.ts';
import type { Authentication } from '../authentication.ts';
import { accountOf } from './peer-addresses.ts';
import type { PeerCredentials } from './peer-credentials.ts';
import { PeerMonitor } from './peer-monitor.ts';
import type { PeerRecords } from './peer-records.ts';
import type { PeerRequests } from './peer-requests.ts';
import type { PeerTable } from './peer-table.ts';
import { PhoneRegistrations } from './phone-registrations.ts';
import type { UpstreamSubject } from './register-exchange.ts';
import { UpstreamRegistrations } from './upstream-registrations.ts';

/** Identities that are read at a time at start. */
const pageSize = 500;

export interface PeersOptions {
  readonly table: PeerTable;
  readonly requests: PeerRequests;
  readonly credentials: PeerCredentials;
  readonly records: PeerRecords;
  readonly locator: Locator;
  readonly overlay: IdentityOverlay;
  readonly authentication: Authentication;
  readonly domain: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What the gateway does with its peers of its own accord: it watches them, and registers there. */
export class Peers {
  readonly monitor: PeerMonitor;
  /** Set where phones register at a PBX themselves. */
  readonly throughPbx: PhoneRegistrations | undefined;
  readonly #options: PeersOptions;
  readonly #registrations: ReadonlyMap<string, UpstreamRegistrations>;
  #closed = false;

  constructor(options: PeersOptions) {
    const { table, logger } = options;
    this.#options = options;
    this.monitor = new PeerMonitor({
      ...options,
      peers: table.all,
      onAnswered: (peer, cameBack) => {
        const registrations = this.#registrations.get(peer.name);
        if (cameBack) {
          registrations?.peerCameBack();
          if (peer.registrations.by === 'phones') this.throughPbx?.peerCameBack();
        } else
          registrations
            ?.check()
            .catch((error: unknown) =>
              logger.error({ peer: peer.name, error }, 'a check of registrations failed'),
            );
      },
    });
    const through = table.all.find(({ registrations }) => registrations.by === 'phones');
    this.throughPbx = through && new PhoneRegistrations({ ...options, peer: through, monitor: this.monitor });
    this.#registrations = new Map(
      table.all
        .filter(({ registrations }) => registrations.by === 'gateway')
        .map((peer) => [
          peer.name,
          new UpstreamRegistrations({
            ...options,
            peer,
            timeoutMs: peer.probe.timeoutMs,
            isDown: () => this.monitor.isDown(peer),
            onUnreachable: () => this.monitor.suspect(peer),
          }),
        ]),
    );
  }

  /** Once sockets are open. */
  start(): void {
    this.monitor.start();
    for (const peer of this.#options.table.all) {
      const { role, credential } = peer;
      if (role !== 'trunk' || credential === undefined) continue;
      const { username } = credential;
      this.#registrations
        .get(peer.name)
        ?.want({ account: username, contactUser: username, fingerprint: undefined, credential });
    }
    // Behind the scenes: with many identities it takes longer than anybody should wait for a gateway.
    void this.#restore();
  }

  /** The phones of an identity have changed: the PBX is told whether anybody is there. */
  async phonesChanged(fingerprint: string): Promise<void> {
    const pbx = this.#pbx();
    if (pbx === undefined) return;
    const { overlay } = this.#options;
    const [bindings, identity] = [await overlay.bindings(fingerprint), await overlay.lookup(fingerprint)];
    if (bindings.length > 0 && identity?.status === 'active')
      pbx.registrations.want(subjectOf(pbx.peer, identity));
    else pbx.registrations.release(fingerprint);
  }

  views(): PeerView[] {
    return this.#options.table.all.map((peer) => {
      const { state, sinceMs } = this.monitor.livenessOf(peer);
      const { transport, host, port } = peer.target;
      const written = host.includes(':') ? `[${host}]` : host;
      return {
        name: peer.name,
        role: peer.role,
        target: `${transport ?? (peer.target.secure ? 'sips' : 'sip')}://${written}${port === undefined ? '' : `:${port}`}`,
        state,
        since: new Date(sinceMs).toISOString(),
        registrations:
          peer.registrations.by === 'phones'
            ? this.throughPbx?.counts()
            : this.#registrations.get(peer.name)?.counts(),
      };
    });
  }

  close(): void {
    this.#closed = true;
    this.monitor.close();
    for (const registrations of this.#registrations.values()) registrations.close();
  }

  /** Phones that are still here after a restart of this gateway. */
  async #restore(): Promise<void> {
    if (this.#pbx() === undefined) return;
    const { overlay, logger } = this.#options;
    let cursor: string | undefined;
    try {
      do {
        const page = await overlay.identities({
          limit: pageSize,
          ...(cursor === undefined ? {} : { cursor }),
        });
        for (const { fingerprint } of page.items) {
          if (this.#closed) return;
          await this.phonesChanged(fingerprint);
        }
        cursor = page.cursor;
      } while (cursor !== undefined);
    } catch (error) {
      if (this.#closed) return;
      logger.error(
        { error },
        'registrations at the PBX could not be restored; they follow as phones refresh',
      );
    }
  }

  #pbx(): { readonly peer: PeerConfig; readonly registrations: UpstreamRegistrations } | undefined {
    for (const peer of this.#options.table.all) {
      const registrations = peer.role === 'pbx' ? this.#registrations.get(peer.name) : undefined;
      if (registrations !== undefined) return { peer, registrations };
    }
    return undefined;
  }
}

function subjectOf(peer: PeerConfig, identity: IdentityRecord): UpstreamSubject {
  const { user, username = user, password } = accountOf(peer, identity);
  return {
    account: user,
    contactUser: identity.fingerprint,
    fingerprint: identity.fingerprint,
    credential: password === undefined ? peer.credential : { username, password },
  };
}

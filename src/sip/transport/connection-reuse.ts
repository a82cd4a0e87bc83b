import type { Connection } from './connection-life.ts';
import type { ConnectTarget, Flow } from './flow.ts';
import { hostPort, withoutZone } from './ip-address.ts';
import { vouchesFor } from './peer-certificate.ts';

/** RFC 3261 §19.1.2: the port of a TLS peer whose Via names none. */
const defaultTlsPort = 5061;
/** One peer has a handful of listening ports at most. */
const maxAliasesPerConnection = 8;

/** The topmost Via of a request that came in, as far as it matters here. */
export interface SentBy {
  readonly host: string;
  readonly port: number | undefined;
}

/**
 * Connections that peers have opened, found by the address that we would dial: their own remote address, or the
 * listening port that an authenticated TLS peer has given as an alias (RFC 5923).
 */
export class ConnectionReuse {
  readonly #connections = new Map<string, Connection>();
  /** By the connection's id: the keys of its aliases. */
  readonly #aliases = new Map<string, Set<string>>();

  add(connection: Connection): void {
    const key = ownKey(connection);
    if (key !== undefined) this.#connections.set(key, connection);
  }

  /**
   * RFC 5923 §8.2: only what the peer's certificate covers can be taken over, and only at the address that it really
   * sends from; the newest connection wins. False when the alias is not accepted.
   */
  alias(flow: Flow, sentBy: SentBy, connection: Connection | undefined): boolean {
    if (connection === undefined || flow.transport !== 'tls') return false;
    if (!vouchesFor(flow.peerCertificate, withoutBrackets(sentBy.host))) return false;
    const key = keyOf('tls', flow.remote.address, sentBy.port ?? defaultTlsPort);
    const keys = this.#aliases.get(connection.id) ?? new Set();
    if (keys.size >= maxAliasesPerConnection && !keys.has(key)) return true;
    this.#aliases.set(connection.id, keys.add(key));
    this.#connections.set(key, connection);
    return true;
  }

  remove(connection: Connection): void {
    const key = ownKey(connection);
    if (key !== undefined) this.#forget(key, connection);
    for (const alias of this.#aliases.get(connection.id) ?? []) this.#forget(alias, connection);
    this.#aliases.delete(connection.id);
  }

  /** An open connection to that target; over TLS its certificate must name whom we want to reach. */
  find(target: ConnectTarget): Connection | undefined {
    const connection = this.#connections.get(keyOf(target.transport, target.address, target.port));
    if (connection === undefined || !connection.open) return undefined;
    if (target.transport !== 'tls') return connection;
    const wanted = target.serverName ?? withoutZone(target.address);
    return vouchesFor(connection.peerCertificate, wanted) ? connection : undefined;
  }

  #forget(key: string, connection: Connection): void {
    if (this.#connections.get(key) === connection) this.#connections.delete(key);
  }
}

/** Where the connection came from; a WebSocket is nothing that we would dial. */
function ownKey({ transport, remote }: Connection): string | undefined {
  return transport === 'tcp' || transport === 'tls'
    ? keyOf(transport, remote.address, remote.port)
    : undefined;
}

function keyOf(transport: string, address: string, port: number): string {
  return `${transport}://${hostPort(address, port)}`;
}

function withoutBrackets(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host;
}

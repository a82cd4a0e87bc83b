import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Clock, Logger } from '../../base/index.ts';
import { type SipMessage, serializeMessage } from '../message/index.ts';
import type { Endpoint } from './flow.ts';
import { hostPort, isUnspecified } from './ip-address.ts';
import { KeepaliveWatch } from './keepalive-watch.ts';
import type { TransportLimits } from './limits.ts';
import type { LocalAddresses } from './local-address.ts';
import type { Reception } from './reception.ts';
import { countReason, type Tally } from './statistics.ts';
import { answerStun, isStun } from './stun.ts';
import { bindError } from './transport-error.ts';
import { UdpFlow, type UdpPort } from './udp-flow.ts';
import { udpListenerTag } from './udp-flow-id.ts';
import { UdpFlowTable } from './udp-flow-table.ts';

/** The most that one datagram holds over IPv4: 65,535 less the IP and UDP headers. */
const maxDatagramBytes = 65_507;
/** CRLF, CRLFCRLF and four zero bytes are what phones send to keep a NAT's mapping open. */
const maxKeepaliveBytes = 4;

export interface UdpListenerOptions {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
  readonly limits: TransportLimits;
  readonly reception: Reception;
  readonly tally: Tally;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly addresses: LocalAddresses;
}

/** One UDP socket with its flows. */
export class UdpListener implements UdpPort {
  readonly #options: UdpListenerOptions;
  readonly #flows: UdpFlowTable;
  readonly #keepalives: KeepaliveWatch;
  #socket: Socket | undefined;
  #local: Endpoint;
  #tag = '';

  constructor(options: UdpListenerOptions) {
    this.#options = options;
    this.#flows = new UdpFlowTable(options.limits.maxUdpFlows);
    this.#keepalives = new KeepaliveWatch(options.limits.maxUdpFlows);
    this.#local = { address: options.host, port: options.port };
  }

  get open(): boolean {
    return this.#socket !== undefined;
  }

  get local(): Endpoint {
    return this.#local;
  }

  /** For a socket that is bound to all addresses, the one that this peer sees. */
  localTowards(remote: Endpoint): Endpoint {
    if (!isUnspecified(this.#local.address)) return this.#local;
    const address = this.#options.addresses.towards(remote.address);
    return address === undefined ? this.#local : { address, port: this.#local.port };
  }

  get tag(): string {
    return this.#tag;
  }

  get flowCount(): number {
    return this.#flows.size;
  }

  async start(): Promise<void> {
    const { host, port, limits, tally, logger } = this.#options;
    const ipv6 = isIPv6(host);
    const socket = createSocket({
      type: ipv6 ? 'udp6' : 'udp4',
      ipv6Only: ipv6,
      // Every address here is an IP address already: without this each send would go through the DNS look-up.
      lookup: (address, _options, callback) => callback(null, address, ipv6 ? 6 : 4),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (cause) => reject(bindError(`udp://${hostPort(host, port)}`, cause)));
      socket.bind({ address: host, port, exclusive: true }, () => {
        socket.removeAllListeners('error');
        resolve();
      });
    });
    socket.on('error', (error) => {
      tally.socketErrors++;
      logger.warn({ transport: 'udp', error: error.message }, 'UDP socket error');
    });
    socket.on('message', (datagram, remote) => this.#receive(datagram, remote));
    growBuffers(socket, limits);
    this.#socket = socket;
    this.#local = { address: host, port: socket.address().port };
    this.#tag = udpListenerTag(host, this.#local.port);
  }

  /** Stops receiving and sending; flows of this listener are not open any more. */
  async close(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#socket = undefined;
    this.#flows.clear();
    this.#keepalives.clear();
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  flowTo(address: string, port: number): UdpFlow {
    const known = this.#flows.get(address, port);
    if (known !== undefined) return known;
    const flow = new UdpFlow(this, { address, port });
    this.#flows.add(flow);
    return flow;
  }

  forget(remote: Endpoint): void {
    this.#flows.delete(remote);
    this.#keepalives.forget(keyOf(remote));
  }

  expectKeepalives(remote: Endpoint, seconds: number): void {
    this.#keepalives.expect(keyOf(remote), remote, seconds, this.#options.clock.monotonicMs());
  }

  /** Ends the flows of peers whose agreed keepalives stayed away. */
  sweep(nowMs: number): void {
    const { tally, reception } = this.#options;
    for (const { address, port } of this.#keepalives.takeSilent(nowMs)) {
      const flow = this.flowTo(address, port);
      this.forget(flow.remote);
      countReason(tally.closed, 'keepalive-missed');
      reception.flowClosed(flow, 'keepalive-missed', tally);
    }
  }

  sendTo(message: SipMessage | Uint8Array, remote: Endpoint): boolean {
    const { tally } = this.#options;
    const bytes = message instanceof Uint8Array ? message : serializeMessage(message);
    if (this.#socket === undefined || bytes.length > maxDatagramBytes) {
      tally.sendFailures++;
      return false;
    }
    // No callback: it would cost a tenth of all time per message, only to say what a transaction's timers notice anyway.
    this.#socket.send(bytes, remote.port, remote.address);
    tally.messagesOut++;
    tally.bytesOut += bytes.length;
    return true;
  }

  #receive(datagram: Buffer, remote: RemoteInfo): void {
    const { tally, reception } = this.#options;
    tally.bytesIn += datagram.length;
    if (this.#keepalives.size > 0) this.#keepalives.heard(keyOf(remote), this.#options.clock.monotonicMs());
    if (datagram.length <= maxKeepaliveBytes) {
      tally.keepalives++;
      return;
    }
    // A port of 0 cannot be answered.
    if (remote.port === 0) return;
    if (isStun(datagram)) this.#answerStun(datagram, remote);
    else reception.receive(datagram, this.flowTo(remote.address, remote.port), tally);
  }

  #answerStun(datagram: Buffer, remote: RemoteInfo): void {
    this.#options.tally.keepalives++;
    const answer = answerStun(datagram, remote.address, remote.port);
    if (answer !== undefined) this.#socket?.send(answer, remote.port, remote.address);
  }
}

function keyOf(remote: Endpoint): string {
  return `${remote.address}|${remote.port}`;
}

/** Best effort: bursts wait in the kernel while this process signs or collects garbage. */
function growBuffers(socket: Socket, limits: TransportLimits): void {
  try {
    socket.setRecvBufferSize(limits.udpReceiveBufferBytes);
    socket.setSendBufferSize(limits.udpSendBufferBytes);
  } catch {
    // The system's default sizes serve as well.
  }
}

import type { SipMessage } from '../message/index.ts';
import type { Endpoint, Flow } from './flow.ts';
import { encodeUdpFlowId } from './udp-flow-id.ts';

/** The socket side that a UDP flow rests on. */
export interface UdpPort {
  readonly open: boolean;
  readonly tag: string;
  localTowards(remote: Endpoint): Endpoint;
  sendTo(message: SipMessage | Uint8Array, remote: Endpoint): boolean;
  forget(remote: Endpoint): void;
  expectKeepalives(remote: Endpoint, seconds: number): void;
}

/** A remote address and port, seen from one listener. Holds no state of its own: it may be dropped and rebuilt. */
export class UdpFlow implements Flow {
  readonly transport = 'udp';
  readonly reliable = false;
  readonly secure = false;
  readonly peerCertificate = undefined;
  readonly remote: Endpoint;
  readonly #port: UdpPort;
  #id: string | undefined;

  constructor(port: UdpPort, remote: Endpoint) {
    this.#port = port;
    this.remote = remote;
  }

  /** Encoded when first asked for: a flood of forged sources doesn't pay for it. */
  get id(): string {
    this.#id ??= encodeUdpFlowId(this.#port.tag, this.remote);
    return this.#id;
  }

  get local(): Endpoint {
    return this.#port.localTowards(this.remote);
  }

  get open(): boolean {
    return this.#port.open;
  }

  send(message: SipMessage | Uint8Array): boolean {
    return this.#port.sendTo(message, this.remote);
  }

  expectKeepalives(seconds: number): void {
    this.#port.expectKeepalives(this.remote, seconds);
  }

  close(_reason: string): void {
    this.#port.forget(this.remote);
  }
}

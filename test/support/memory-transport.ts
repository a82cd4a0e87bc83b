import {
  defaultMessageLimits,
  parseMessage,
  replaceTopVia,
  type SipMessage,
  serializeMessage,
  withViaSource,
} from '../../src/sip/message/index.ts';
import type { Endpoint, Flow, TransportName, TransportUser } from '../../src/sip/transport/index.ts';

/** A transport without sockets: real bytes both ways, delivered in order, and only when `flush` is called. */
export class MemoryTransport {
  /** Messages that were sent and wait for delivery. */
  readonly #inFlight: (() => void)[] = [];
  readonly #flows = new Map<string, MemoryFlow>();
  #user: TransportUser | undefined;
  #connections = 0;

  start(user: TransportUser): Promise<readonly never[]> {
    this.#user = user;
    return Promise.resolve([]);
  }

  flow(id: string): Flow | undefined {
    return this.#flows.get(id);
  }

  /** A peer with a flow of its own; `receive` gets what the gateway sends to it. */
  connect(
    transport: TransportName,
    receive: (message: SipMessage, bytes: Uint8Array) => void,
    address?: string,
  ): MemoryFlow {
    const number = ++this.#connections;
    const flow = new MemoryFlow({
      id: `${transport}-${number}`,
      transport,
      remote: { address: address ?? `192.0.2.${number}`, port: 40_000 + number },
      deliver: (bytes) =>
        this.#inFlight.push(() => receive(parseMessage(bytes, defaultMessageLimits), bytes)),
      onClosed: (reason) => {
        if (flow.reliable) this.#user?.onFlowClosed(flow, reason);
      },
    });
    this.#flows.set(flow.id, flow);
    this.#user?.onFlowOpen?.(flow);
    return flow;
  }

  /** What a peer sends: noted with its source as RFC 3261 §18.2.1 wants, and handed up. */
  arrive(message: SipMessage | Uint8Array, flow: Flow): void {
    const bytes = message instanceof Uint8Array ? message : serializeMessage(message);
    this.#inFlight.push(() => {
      if (!flow.open) return;
      const parsed = parseMessage(bytes, defaultMessageLimits);
      if (parsed.kind === 'response') this.#user?.onResponse(parsed, flow);
      else {
        const via = withViaSource(parsed.via, flow.remote.address, flow.remote.port);
        this.#user?.onRequest({ ...replaceTopVia(parsed, via), wireBytes: bytes.length }, flow);
      }
    });
  }

  /** Delivers until nothing is in flight. */
  flush(): void {
    for (let deliver = this.#inFlight.shift(); deliver !== undefined; deliver = this.#inFlight.shift())
      deliver();
  }
}

interface MemoryFlowOptions {
  readonly id: string;
  readonly transport: TransportName;
  readonly remote: Endpoint;
  readonly deliver: (bytes: Uint8Array) => void;
  readonly onClosed: (reason: string) => void;
}

/** The gateway's end of one connection, or of one UDP address pair. */
export class MemoryFlow implements Flow {
  readonly id: string;
  readonly transport: TransportName;
  readonly reliable: boolean;
  readonly secure: boolean;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly peerCertificate = undefined;
  readonly #options: MemoryFlowOptions;
  #open = true;
  /** While true, whatever is sent vanishes on the way, as datagrams may. */
  lossy = false;
  /** How many messages the gateway sent, lost ones included. */
  sent = 0;

  constructor(options: MemoryFlowOptions) {
    this.id = options.id;
    this.transport = options.transport;
    this.reliable = options.transport !== 'udp';
    this.secure = options.transport === 'tls' || options.transport === 'wss';
    this.local = { address: '198.51.100.1', port: 5060 };
    this.remote = options.remote;
    this.#options = options;
  }

  get open(): boolean {
    return this.#open;
  }

  send(message: SipMessage | Uint8Array): boolean {
    if (!this.#open) return false;
    this.sent++;
    if (!this.lossy)
      this.#options.deliver(message instanceof Uint8Array ? message : serializeMessage(message));
    return true;
  }

  close(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#options.onClosed(reason);
  }
}

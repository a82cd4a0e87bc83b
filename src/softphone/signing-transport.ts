import { type Transport, Web } from 'sip.js';
import { escapeNames } from './escaped-names.ts';

type WebTransport = Transport & { readonly server: string };
type TransportConstructor = new (...parameters: ConstructorParameters<typeof Web.Transport>) => WebTransport;

/** Sees every message that passes between SIP.js and its connection. */
export interface MessageTap {
  /** The text that is to be sent instead of `message`. */
  outgoing(message: string): string;
  incoming(message: string): void;
}

/**
 * A transport for SIP.js's `transportConstructor` that lets `tap` sign each request where it is sent. The
 * library stays unmodified, and requests that it makes by itself (refreshes, BYE, re-INVITE) are signed too.
 */
export function signingTransport(tap: MessageTap): TransportConstructor {
  return class SigningTransport implements Transport {
    readonly #socket: Web.Transport;
    onConnect: (() => void) | undefined;
    onDisconnect: ((error?: Error) => void) | undefined;
    onMessage: ((message: string) => void) | undefined;

    constructor(...parameters: ConstructorParameters<typeof Web.Transport>) {
      this.#socket = new Web.Transport(...parameters);
      this.#socket.onConnect = () => this.onConnect?.();
      this.#socket.onDisconnect = (error) => this.onDisconnect?.(error);
      this.#socket.onMessage = (message) => {
        tap.incoming(message);
        this.onMessage?.(message);
      };
    }

    get protocol(): string {
      return this.#socket.protocol;
    }

    get server(): string {
      return this.#socket.server;
    }

    get state(): Transport['state'] {
      return this.#socket.state;
    }

    get stateChange(): Transport['stateChange'] {
      return this.#socket.stateChange;
    }

    connect(): Promise<void> {
      return this.#socket.connect();
    }

    disconnect(): Promise<void> {
      return this.#socket.disconnect();
    }

    dispose(): Promise<void> {
      return this.#socket.dispose();
    }

    isConnected(): boolean {
      return this.#socket.isConnected();
    }

    async send(message: string): Promise<void> {
      await this.#socket.send(tap.outgoing(message.startsWith('SIP/2.0 ') ? message : escapeNames(message)));
    }
  };
}

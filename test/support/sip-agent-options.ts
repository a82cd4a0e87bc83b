import type { Clock } from '../../src/base/index.ts';
import type { HeaderField } from '../../src/sip/index.ts';
import type { PhoneNode } from '../../src/softphone/index.ts';
import type { Attribute, IdentityToken, SigningKey } from '../../src/tokens/index.ts';
import type { TlsTrust, WireAddresses, WireTransport } from './sip-wire.ts';

export interface KeyIdentity {
  readonly token: IdentityToken;
  readonly key: SigningKey;
  /** Of every level. */
  readonly attributes?: readonly Attribute[];
  readonly node?: PhoneNode;
  readonly succession?: Uint8Array | undefined;
}

export interface AgentOptions {
  /** The gateway's port for `transport`. */
  readonly port: number;
  readonly transport: WireTransport;
  readonly domain: string;
  /** User part of its address. */
  readonly user: string;
  /** Signs each request that it builds. */
  readonly identity?: KeyIdentity;
  /** Answers challenges. */
  readonly password?: string;
  /** Digest user name, where it is not `user`. */
  readonly username?: string;
  readonly clock?: Clock;
  /** UDP only: comes back on the address that it had before. */
  readonly localPort?: number;
  /** UDP only: default is the loopback address for both. */
  readonly addresses?: WireAddresses;
  /** How long a message is waited for. */
  readonly patienceMs?: number;
  /** TLS and WSS only. */
  readonly trust?: TlsTrust;
}

export interface RequestOptions {
  readonly headers?: readonly HeaderField[];
  readonly from?: string;
  readonly to?: string;
  /** Instead of the agent's own; empty for none. */
  readonly contact?: string;
  readonly callId?: string;
  readonly cseq?: number;
  readonly maxForwards?: number;
  readonly body?: string;
  readonly contentType?: string;
  /** False leaves the identity's token away. */
  readonly signed?: boolean;
  /** The declared intent of a device that signs. */
  readonly intent?: string;
}

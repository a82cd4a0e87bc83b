import type { PeerConfig } from '../config/index.ts';
import type { IdentityRecord } from '../overlay/index.ts';
import type { IntentToken } from '../tokens/index.ts';

/** How sure the gateway is of who speaks: 0 nobody proved, 1 digest, 2 device certificate, 3 device key. */
export type Assurance = 0 | 1 | 2 | 3;

/** Who a request comes from, and how that is known. */
export type Principal =
  | {
      readonly kind: 'identity';
      readonly identity: IdentityRecord;
      readonly assurance: Assurance;
      /** The device's own token on this very request. */
      readonly intent: IntentToken | undefined;
      /** The gateway that proved it, and sent the request on: its name as a party of a dialog. */
      readonly via?: string;
      /** Expired since its dialog began, which it may end, and no more. */
      readonly late?: boolean;
    }
  /** A PBX or trunk that is known by its address; it vouches for its users, nobody proves them. */
  | {
      readonly kind: 'peer';
      readonly peer: PeerConfig;
      readonly assurance: 0;
      /** It passes on the token of a device that this gateway has taken before: a call that comes back from a PBX. */
      readonly carriesIntent: boolean;
      /** The gateway that knows the peer, and sent the request on. */
      readonly via?: string;
    };

/** A peer as one side of a dialog in a flow token; no fingerprint looks like it. */
export function peerIdentity(peer: PeerConfig): string {
  return `peer:${peer.name}`;
}

export function nameOf(principal: Principal): string {
  return principal.kind === 'identity' ? principal.identity.name : `peer ${principal.peer.name}`;
}

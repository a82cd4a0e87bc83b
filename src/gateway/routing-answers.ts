import { readUri } from '../intent/index.ts';
import { OverlayError } from '../overlay/index.ts';
import { type Durability, ProvenanceError } from '../provenance/index.ts';
import {
  type GateRefusal,
  type HeaderField,
  headerField,
  headerItems,
  type RespondDecision,
  type ResponseGate,
  type SipRequest,
} from '../sip/index.ts';
import type { Challenge } from './authentication-result.ts';
import type { Principal } from './principal.ts';
import { foreignUriRefusal } from './served-domain.ts';

/** What a caller is told when the log cannot take records now, in seconds. */
export const retryAfterSeconds = 5;

/** What an OPTIONS to the gateway itself is told (RFC 3261 §11.2). */
const capabilities = [
  headerField('Accept', 'application/sdp'),
  headerField(
    'Allow',
    'INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, UPDATE, INFO, REFER, MESSAGE, SUBSCRIBE, NOTIFY',
  ),
  headerField('Supported', 'path, outbound, gruu'),
  headerField('Allow-Events', 'reg'),
];

/** What a caller is told whose attempt could not be recorded. */
const unrecorded: GateRefusal = {
  reason: 'Audit Log Unavailable',
  headers: [
    headerField('Retry-After', String(retryAfterSeconds)),
    headerField('Reason', 'SIP;cause=503;text="Audit Log Unavailable"'),
  ],
};

/** Holds a call's responses back until its attempt is durable. */
class DurabilityGate implements ResponseGate {
  readonly refusal: GateRefusal = unrecorded;
  readonly #durability: Durability;

  constructor(durability: Durability) {
    this.#durability = durability;
  }

  get state(): ResponseGate['state'] {
    const { state } = this.#durability;
    return state === 'durable' ? 'open' : state;
  }

  whenSettled(callback: (state: 'open' | 'failed') => void): void {
    this.#durability.whenSettled((state) => callback(state === 'durable' ? 'open' : 'failed'));
  }
}

export function gateOf(durability: Durability): ResponseGate {
  return new DurabilityGate(durability);
}

export function respond(status: number, reason?: string, headers?: readonly HeaderField[]): RespondDecision {
  return {
    kind: 'respond',
    status,
    ...(reason === undefined ? {} : { reason }),
    ...(headers === undefined ? {} : { headers }),
  };
}

/** For whoever has proved nothing yet. */
export function decline(status: number, reason?: string, headers?: readonly HeaderField[]): RespondDecision {
  return { ...respond(status, reason, headers), stateless: true };
}

export function refuseUri(text: string): RespondDecision {
  if (readUri(text)?.scheme === 'tel') return decline(404, 'Phone Context Not Served Here');
  const { status, reason } = foreignUriRefusal(text);
  return decline(status, reason);
}

/** RFC 3261 §11.2; §8.2.2.3: the gateway is the one who is asked here, and has no extension to insist on. */
export function capabilitiesFor(request: SipRequest): RespondDecision {
  const required = headerItems(request, 'require');
  return required.length === 0
    ? decline(200, undefined, capabilities)
    : decline(420, undefined, [headerField('Unsupported', required.join(', '))]);
}

export function challengeWith({ status, headers }: Challenge): RespondDecision {
  return decline(status, undefined, headers);
}

/**
 * A peer takes this call, but cannot be reached. Another peer is told 503, so that it looks for another way; a phone
 * would take that for the end of its own gateway (RFC 3261 §21.5.4).
 */
export function peerAway(sender: Principal): RespondDecision & { readonly reason: string } {
  const reason = 'Peer Unavailable';
  const headers = [headerField('Retry-After', String(retryAfterSeconds))];
  return { kind: 'respond', status: sender.kind === 'peer' ? 503 : 480, reason, headers };
}

export function unavailable(): RespondDecision {
  return decline(503, 'Audit Log Unavailable', [headerField('Retry-After', String(retryAfterSeconds))]);
}

/** Whoever was asked for is not among those that are remembered while the shared store is gone. */
function storeAway(): RespondDecision {
  return decline(503, 'Identity Store Unavailable', [headerField('Retry-After', String(retryAfterSeconds))]);
}

/** What everybody is told while the log or the shared store cannot be used; undefined for any other fault. */
export function whileAway(fault: unknown): RespondDecision | undefined {
  // The log has stopped taking records since its health was looked at, or the disk does not keep up.
  if (fault instanceof ProvenanceError && fault.code === 'unhealthy') return unavailable();
  return fault instanceof OverlayError && fault.code === 'store-unavailable' ? storeAway() : undefined;
}

import { systemRandom } from '../../../src/base/index.ts';
import { defaultMessageLimits, parseMessage, type SipRequest } from '../../../src/sip/message/index.ts';
import {
  Gruus,
  type RegisterOutcome,
  type RegisterSource,
  Registrar,
  type RegistrarPolicy,
} from '../../../src/sip/registrar/index.ts';
import { MemoryLocationService } from '../../support/memory-location-service.ts';

export const aor = 'fingerprint-of-alice';
export const startMs: number = Date.UTC(2026, 0, 1, 12);

export const udpFlow: RegisterSource = {
  id: 'u1-192.0.2.1-5060',
  transport: 'udp',
  local: { address: '198.51.100.1', port: 5060 },
  remote: { address: '192.0.2.1', port: 5060 },
};
export const wsFlow: RegisterSource = {
  id: 'w7',
  transport: 'ws',
  local: { address: '198.51.100.1', port: 5080 },
  remote: { address: '192.0.2.7', port: 40_000 },
};

/** A REGISTER of alice with these lines beside the headers that every request has. */
export function register(
  lines: readonly string[],
  options: { callId?: string; cseq?: number; uri?: string; via?: readonly string[] } = {},
): SipRequest {
  const { callId = 'call-1', cseq = 1, uri = 'sip:example.org', via = ['192.168.1.10'] } = options;
  const text = [
    `REGISTER ${uri} SIP/2.0`,
    ...via.map((host, index) => `Via: SIP/2.0/UDP ${host};branch=z9hG4bK${index}`),
    'From: <sip:alice@example.org>;tag=1',
    'To: <sip:alice@example.org>',
    `Call-ID: ${callId}`,
    `CSeq: ${cseq} REGISTER`,
    'Max-Forwards: 70',
    ...lines,
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
  const message = parseMessage(Buffer.from(text, 'latin1'), defaultMessageLimits);
  if (message.kind !== 'request') throw new TypeError('not a request');
  return message;
}

/** A registrar over a location service in memory, at a moment that the test moves. */
export class RegistrarFixture {
  readonly location: MemoryLocationService = new MemoryLocationService();
  readonly gruus: Gruus = new Gruus({
    domain: 'example.org',
    secret: new Uint8Array(32).fill(7),
    random: systemRandom,
  });
  readonly registrar: Registrar;
  nowMs: number = startMs;

  constructor(policy: Partial<RegistrarPolicy> = {}, serviceRoutes: readonly string[] = []) {
    this.registrar = new Registrar({
      location: this.location,
      serves: (host) => host === 'example.org',
      random: systemRandom,
      policy,
      gruus: this.gruus,
      serviceRoutes: () => serviceRoutes,
    });
  }

  handle(request: SipRequest, source: RegisterSource = udpFlow): Promise<RegisterOutcome> {
    return this.registrar.handle(request, source, aor, { nowMs: this.nowMs });
  }

  /** The URIs that are bound now. */
  get bound(): readonly string[] {
    return this.location
      .list(aor)
      .filter(({ expiresAtMs }) => expiresAtMs > this.nowMs)
      .map(({ contactUri }) => contactUri);
  }
}

/** The values of one header of the response. */
export function values(outcome: RegisterOutcome, name: string): readonly string[] {
  return outcome.response.headers.filter((field) => field.name === name).map((field) => field.value);
}

import { readUri } from '../intent/index.ts';
import {
  headerValue,
  parseNameAddr,
  type SipRequest,
  serializeNameAddr,
  serializeUri,
  withoutParam,
} from '../sip/index.ts';

/** Identity statements that only this gateway may make towards its phones and peers. */
export const untrustedHeaders: readonly string[] = [
  'p-asserted-identity',
  'p-preferred-identity',
  'remote-party-id',
  'diversion',
  // What a network says that it has found out of a caller: 3GPP TS 24.229 §7.2.18 f., ATIS-1000082.
  'attestation-info',
  'origination-id',
  'p-attestation-indicator',
  'p-origination-id',
  'proxy-authorization',
  // Between gateways only.
  'hop-token',
];

/** The same in responses (RFC 3325 §5): of a callee, only a peer is believed. */
export const untrustedInResponses: readonly string[] = ['p-asserted-identity', 'remote-party-id'];

/** What a network says that its look at a number's signature has shown: 3GPP TS 24.229 §7.2A.20. */
const verstat = 'verstat';

/**
 * The From of a request without a verdict on its number that the sender wrote there itself; undefined when there is none.
 * RFC 3261 §16.6 leaves From alone, but such a verdict may not stand.
 */
export function fromWithoutVerstat(request: SipRequest): string | undefined {
  const value = headerValue(request, 'from') ?? '';
  if (!value.toLowerCase().includes(verstat)) return undefined;
  const address = parseNameAddr(value);
  const uri = readUri(address.uri);
  const params = withoutParam(address.params, verstat);
  if (uri === undefined || uri.scheme === 'other') return serializeNameAddr({ ...address, params });
  const cleaned = serializeUri({ ...uri, params: withoutParam(uri.params, verstat) });
  return serializeNameAddr({ ...address, uri: cleaned, params });
}

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
];

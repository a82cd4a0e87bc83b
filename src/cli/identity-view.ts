import { encodeBase64Url, encodeHex } from '../base/index.ts';
import { type IdentityToken, sipUserOf } from '../tokens/index.ts';
import { formatAttributes, showValue } from './identity-attributes.ts';
import { describeValidity } from './identity-source.ts';
import { formatTime, type Output } from './output.ts';

export function showIdentity(output: Output, token: IdentityToken, file?: string): void {
  const validity = describeValidity(token);
  const pseudonymOf =
    token.issuerProof === undefined ? (token.issuerHidden ? 'not told' : undefined) : token.issuer;
  const value = {
    name: token.subject,
    fingerprint: token.fingerprint,
    extendedFingerprint: token.extendedFingerprint,
    validity,
    notBefore: formatTime(token.notBefore),
    expires: formatTime(token.expires),
    realm: token.realm,
    pseudonymOf,
    publicKey: encodeHex(token.publicKey),
    attributes: token.attributes.map(({ name, value: v, level }) => ({ name, value: showValue(v), level })),
    token: encodeBase64Url(token.bytes),
    file,
  };
  output.document(value, [
    ['name', token.subject],
    ['fingerprint', token.fingerprint],
    ['validity', `${validity}, ${formatTime(token.notBefore)} to ${formatTime(token.expires)}`],
    ['realm', token.realm],
    ['pseudonym of', pseudonymOf],
    ['attributes', formatAttributes(token.attributes)],
    ['public key', value.publicKey],
    ['SIP user', token.subject.startsWith('jis:') ? sipUserOf(token.subject) : token.fingerprint],
    ['file', file],
  ]);
}

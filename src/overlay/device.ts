import type { Random } from '../base/index.ts';
import {
  createIdentityToken,
  generateSigningKey,
  type IdentityToken,
  type SeededSigningKey,
  type SigningKey,
} from '../tokens/index.ts';
import { localProver, type Prover } from './challenge.ts';
import { type EndpointClaim, signEndpointRecord } from './endpoint-record.ts';

/** Something with a key of its own that wants to be found: it proves itself and signs where it is. */
export interface Device extends Prover {
  /** Its identity token. */
  readonly token: Uint8Array;
  signEndpoint(claim: EndpointClaim): Promise<Uint8Array>;
}

/** A device whose key is at hand. */
export function localDevice(token: Uint8Array, key: SigningKey): Device {
  return {
    ...localProver(key),
    token,
    signEndpoint: async (claim) => signEndpointRecord(key, claim),
  };
}

/** As long as an identity lives that the gateway makes for a device without a key. */
const custodyLifetimeSeconds = 10 * 365 * 86_400;

/** A new key and its identity, for a device that has none. */
export function createDeviceIdentity(
  name: string,
  nowSeconds: number,
  random: Random,
): { readonly token: IdentityToken; readonly key: SeededSigningKey } {
  const key = generateSigningKey(random);
  const token = createIdentityToken({
    key,
    subject: name,
    notBefore: nowSeconds,
    expires: nowSeconds + custodyLifetimeSeconds,
    now: nowSeconds,
  });
  return { token, key };
}

import { dialledUser } from '../intent/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../overlay/index.ts';
import type { Flow } from '../sip/index.ts';
import type { ServedDomain } from './served-domain.ts';

export interface CertificateIdentityOptions {
  readonly overlay: IdentityOverlay;
  readonly domain: ServedDomain;
}

/**
 * For whom a TLS client's certificate speaks, once a configured authority vouches for it: the identities whose addresses
 * stand in it as SIP URIs of this domain (`URI:sip:alice@domain`, RFC 5922 §7.1) or, where it holds no such URI, the one
 * whose whole name (`jis:alice`) is its common name.
 */
export class CertificateIdentity {
  readonly #options: CertificateIdentityOptions;

  constructor(options: CertificateIdentityOptions) {
    this.#options = options;
  }

  speaksFor(flow: Flow, identity: IdentityRecord): boolean {
    const certificate = flow.peerCertificate;
    if (certificate?.authorized !== true) return false;
    const { domain, overlay } = this.#options;
    const users = certificate.uris.flatMap((uri) => domain.ownUri(uri, '')?.user ?? []);
    if (users.length === 0) return certificate.commonName === identity.name;
    return users.some((user) => overlay.isAddressOf(identity, dialledUser(user)));
  }
}

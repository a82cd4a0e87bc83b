import { headerValues, parseAuthValue, type SipMessage, SipParseError } from '../../sip/index.ts';

/** More than phones that register anew within the life of a nonce. */
const maxNonces = 50_000;

/**
 * The nonces of challenges that a PBX has sent by this gateway, and to whom. An answer to one of them that the PBX accepts proves a
 * password; an acceptance of anything else only shows that the PBX trusts this gateway's address.
 */
export class RelayedNonces {
  readonly #nonces = new Set<string>();

  note(challenge: SipMessage, fingerprint: string): void {
    for (const name of ['www-authenticate', 'proxy-authenticate'])
      for (const nonce of noncesOf(challenge, name)) {
        this.#nonces.add(`${fingerprint} ${nonce}`);
        const [oldest] = this.#nonces;
        if (this.#nonces.size > maxNonces && oldest !== undefined) this.#nonces.delete(oldest);
      }
  }

  /** Whether the request answers one of those to this identity. */
  areAnsweredBy(request: SipMessage, fingerprint: string): boolean {
    return ['authorization', 'proxy-authorization'].some((name) =>
      noncesOf(request, name).some((nonce) => this.#nonces.has(`${fingerprint} ${nonce}`)),
    );
  }
}

function noncesOf(message: SipMessage, name: string): string[] {
  return headerValues(message, name).flatMap((value) => {
    try {
      const { scheme, params } = parseAuthValue(value);
      return scheme.toLowerCase() === 'digest' ? (params.get('nonce') ?? []) : [];
    } catch (error) {
      if (error instanceof SipParseError) return [];
      throw error;
    }
  });
}

import type { Random } from '../../base/index.ts';
import type { PeerConfig, PeerCredentialConfig } from '../../config/index.ts';
import {
  answerChallenge,
  type HeaderField,
  headerValues,
  parseAuthValue,
  SipParseError,
  type SipRequest,
  type SipResponse,
} from '../../sip/index.ts';

/** Answers the challenges of peers, each for its own realm only. */
export class PeerCredentials {
  readonly #random: Random;
  /** The realms in which peers challenged a REGISTER, which ends at the peer itself. */
  readonly #realms = new Map<string, string>();

  constructor(random: Random) {
    this.#random = random;
  }

  /**
   * A challenge to a call may come from anybody behind the peer: it is answered in the realm that is configured, or
   * that the peer has shown before. Undefined when nothing here answers it.
   */
  answer(
    peer: PeerConfig,
    credential: PeerCredentialConfig,
    request: SipRequest,
    response: SipResponse,
  ): HeaderField | undefined {
    if (request.method === 'REGISTER' && !this.#realms.has(peer.name)) {
      const shown = realmOf(response);
      if (shown !== undefined) this.#realms.set(peer.name, shown);
    }
    const realm = credential.realm ?? peer.credential?.realm ?? this.#realms.get(peer.name);
    if (realm === undefined) return undefined;
    const { username, password } = credential;
    return answerChallenge({
      request,
      response,
      credential: { realm, username, password },
      random: this.#random,
    });
  }
}

function realmOf(response: SipResponse): string | undefined {
  const name = response.status === 407 ? 'proxy-authenticate' : 'www-authenticate';
  for (const value of headerValues(response, name)) {
    try {
      const { scheme, params } = parseAuthValue(value);
      if (scheme.toLowerCase() === 'digest' && params.has('realm')) return params.get('realm');
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error;
    }
  }
  return undefined;
}

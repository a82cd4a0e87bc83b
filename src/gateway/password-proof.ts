import type { Logger } from '../base/index.ts';
import { chain, type Eventual, type IdentityOverlay } from '../overlay/index.ts';
import {
  type ChallengeKind,
  challengeStatus,
  type DigestAuthenticator,
  type DigestVerdict,
  type Flow,
  type SipRequest,
} from '../sip/index.ts';
import { type AuthenticationResult, type Challenge, proved } from './authentication-result.ts';
import type { PeerTable } from './peers/peer-table.ts';

export interface PasswordProofOptions {
  readonly digest: DigestAuthenticator;
  readonly overlay: IdentityOverlay;
  readonly peers: PeerTable;
  readonly logger: Logger;
}

/** Digest (RFC 7616): a stock phone's, or that of a peer that is known by its password. */
export class PasswordProof {
  readonly #options: PasswordProofOptions;

  constructor(options: PasswordProofOptions) {
    this.#options = options;
  }

  challenge(request: SipRequest, flow: Flow): Challenge {
    const kind = kindOf(request);
    const headers = this.#options.digest.challenge(request, flow, kind);
    return { kind: 'challenge', status: challengeStatus[kind], headers };
  }

  /** At once where the store answers at once. */
  check(request: SipRequest, flow: Flow): Eventual<AuthenticationResult> {
    const verdict = this.#options.digest.verify(request, flow, kindOf(request));
    return chain(verdict, (settled) => this.#conclude(request, flow, settled));
  }

  #conclude(request: SipRequest, flow: Flow, verdict: DigestVerdict): Eventual<AuthenticationResult> {
    const { overlay, peers, logger } = this.#options;
    if (verdict.kind === 'accepted') {
      const { info, username } = verdict;
      const peer = peers.byUsername(username);
      if (peer !== undefined) return proved({ kind: 'peer', peer, assurance: 0, carriesIntent: false });
      return chain(overlay.deviceIdentity(username), (identity) =>
        identity?.status === 'active'
          ? { ...proved({ kind: 'identity', identity, assurance: 1, intent: undefined }), info }
          : this.challenge(request, flow),
      );
    }
    const { fault, status, headers, username } = verdict;
    if (fault !== 'missing' && fault !== 'stale-nonce')
      logger.warn({ fault, username, source: flow.remote.address, method: request.method }, 'digest refused');
    return { kind: 'challenge', status, headers };
  }
}

/** Whoever registers is challenged as by a server, everybody else as by a proxy. */
function kindOf({ method }: SipRequest): ChallengeKind {
  return method === 'REGISTER' ? 'www' : 'proxy';
}

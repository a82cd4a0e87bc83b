import { systemRandom } from '../../../src/base/index.ts';
import {
  type AuthSource,
  answerChallenge,
  type ClientCredential,
  type CredentialStore,
  DigestAuthenticator,
  type DigestCredential,
  type DigestOptions,
  type DigestVerdict,
  mintDigestCredential,
  NonceMint,
} from '../../../src/sip/auth/index.ts';
import {
  appendHeaders,
  createRequest,
  createResponse,
  createVia,
  headerField,
  type SipRequest,
} from '../../../src/sip/message/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';

export const realm = 'example.org';
export const alice: ClientCredential = { realm, username: 'alice', password: 'wonderland' };

export const udpFlow: AuthSource = {
  id: 'u1-192.0.2.1-5060',
  transport: 'udp',
  remote: { address: '192.0.2.1', port: 5060 },
};
export const wsFlow: AuthSource = {
  id: 'w7',
  transport: 'ws',
  remote: { address: '192.0.2.7', port: 40_000 },
};

/** Knows alice, and counts who asks for whom. */
class OneUserStore implements CredentialStore {
  readonly asked: string[] = [];
  credential: DigestCredential = mintDigestCredential(alice);

  find(username: string): DigestCredential | undefined {
    this.asked.push(username);
    return username === alice.username ? this.credential : undefined;
  }
}

export interface RequestChoice {
  readonly method?: string;
  readonly uri?: string;
  readonly userAgent?: string;
  readonly body?: string;
}

export function request(choice: RequestChoice = {}): SipRequest {
  const { method = 'REGISTER', uri = 'sip:example.org', userAgent, body = '' } = choice;
  return createRequest({
    method,
    uri,
    via: createVia({ transport: 'UDP', host: '192.168.1.10', branch: 'b1' }),
    from: '<sip:alice@example.org>;tag=1',
    to: '<sip:alice@example.org>',
    callId: 'call-1',
    cseq: 1,
    headers: userAgent === undefined ? [] : [headerField('User-Agent', userAgent)],
    body: Buffer.from(body),
  });
}

/** An authenticator that knows alice, at a time that the test moves. */
export class DigestFixture {
  readonly clock: FakeClock = new FakeClock();
  readonly store: OneUserStore = new OneUserStore();
  readonly authenticator: DigestAuthenticator;

  constructor(options: Partial<DigestOptions> = {}) {
    this.authenticator = new DigestAuthenticator({
      realm,
      credentials: this.store,
      nonces: new NonceMint({ secret: new Uint8Array(32).fill(7), random: systemRandom }),
      clock: this.clock,
      random: systemRandom,
      ...options,
    });
  }

  /** A mint with another secret: of another gateway, or a forger. */
  otherMint(): NonceMint {
    return new NonceMint({ secret: new Uint8Array(32).fill(8), random: systemRandom });
  }

  async verify(message: SipRequest, source: AuthSource = udpFlow): Promise<DigestVerdict> {
    return await this.authenticator.verify(message, source, 'www');
  }

  /** The request again, with the answer to a challenge that was asked for on `source`. */
  answered(
    message: SipRequest,
    credential: ClientCredential = alice,
    source: AuthSource = udpFlow,
  ): SipRequest {
    const headers = this.authenticator.challenge(message, source, 'www');
    const response = createResponse(message, 401, undefined, { headers });
    const answer = answerChallenge({ request: message, response, credential, random: systemRandom });
    return answer === undefined ? message : appendHeaders(message, [answer]);
  }
}

/** What the peer sees of a verdict, with the nonce blanked out. */
export function onTheWire(verdict: DigestVerdict): unknown {
  if (verdict.kind === 'accepted') return 'accepted';
  return {
    status: verdict.status,
    fields: verdict.headers.map(
      ({ rawName, value }) => `${rawName}: ${value.replace(/nonce="[^"]*"/, 'nonce')}`,
    ),
  };
}

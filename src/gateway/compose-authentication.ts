import type { Config } from '../config/index.ts';
import { DigestAuthenticator, FailureThrottle, NonceMint } from '../sip/index.ts';
import { Authentication, type AuthenticationOptions } from './authentication.ts';
import { CertificateIdentity } from './certificate-identity.ts';
import { IntentGate, type IntentGateOptions } from './intent-gate.ts';
import type { Surroundings } from './parts.ts';
import { PhoneNodes } from './phone-nodes.ts';

/** Who speaks, by every way of proving it that the configuration allows. */
export function createAuthentication(
  around: Surroundings,
  {
    overlay,
    domain,
    peers,
    used,
    hops,
    foreign,
  }: Pick<AuthenticationOptions, 'overlay' | 'peers' | 'hops' | 'foreign'> &
    Pick<IntentGateOptions, 'domain' | 'used'>,
): Authentication {
  const { config, clock, random, logger } = around;
  const nonces = new NonceMint({
    secret: random.bytes(32),
    random,
    lifetimeMs: config.auth.nonceLifetimeMs,
  });
  return new Authentication({
    intents: new IntentGate({
      overlay,
      domain,
      nonces,
      used,
      toOthers: foreign !== undefined,
      nodes: new PhoneNodes(),
      clock,
    }),
    certificates: new CertificateIdentity({ overlay, domain }),
    digest: new DigestAuthenticator({
      realm: config.auth.realm,
      credentials: {
        find: (username, realm) => peers.credential(username, realm) ?? overlay.credential(username, realm),
      },
      nonces,
      clock,
      random,
      algorithms: config.auth.algorithms,
      agents: config.auth.agents,
      qop: config.auth.qop,
      throttle: config.limits.digest,
    }),
    throttle: new FailureThrottle(config.limits.digest),
    overlay,
    peers,
    hops,
    foreign,
    flowSpeaks: config.auth.flowSpeaks,
    passwordsElsewhere: passwordsElsewhere(config),
    speakers: config.limits.speakers,
    clock,
    logger,
  });
}

/** Whether a PBX, and not this gateway, knows the phones' passwords. */
export function passwordsElsewhere({ peers }: Config): boolean {
  return peers.some(({ registrations }) => registrations.by === 'phones');
}

import { systemRandom } from '../../src/base/index.ts';
import { intentRequestOf } from '../../src/intent/index.ts';
import { appendHeaders, headerField, type SipRequest, type SipResponse } from '../../src/sip/index.ts';
import { calleeHash, createIntentToken, type IntentTokenOptions } from '../../src/tokens/index.ts';
import type { KeyIdentity, SipAgent } from './sip-agent.ts';
import type { TestGateway } from './test-gateway.ts';

/** A REGISTER that the phone has not sent yet. */
export function registerOf(phone: SipAgent, signed = true): SipRequest {
  const headers = [headerField('Expires', '300')];
  return phone.build('REGISTER', `sip:${phone.domain}`, { to: `<${phone.address}>`, headers, signed });
}

/** Sends `request` and returns the answer with the faults that the gateway logged meanwhile. */
export async function answerTo(
  gateway: TestGateway,
  phone: SipAgent,
  request: SipRequest,
): Promise<{ response: SipResponse; faults: unknown[] }> {
  const before = gateway.log.length;
  phone.send(request);
  const response = await phone.final(request);
  return { response, faults: gateway.faults(before) };
}

/** `phone`'s REGISTER with a token made by hand, right but for `changes`. */
export function withToken(
  phone: SipAgent,
  identity: KeyIdentity,
  changes: Partial<IntentTokenOptions> = {},
  introduced = true,
): SipRequest {
  const request = registerOf(phone, false);
  const now = Math.floor(Date.now() / 1000);
  const salt = systemRandom.bytes(16);
  const token = createIntentToken({
    signer: { key: identity.key, fingerprint: identity.token.fingerprint },
    audience: phone.domain,
    iat: now,
    exp: now + 120,
    cti: systemRandom.bytes(16),
    request: intentRequestOf(request),
    callee: { salt, hash: calleeHash(`${phone.user}@${phone.domain}`, salt) },
    intent: { code: 'register', text: 'take part' },
    parents: [],
    assurance: 3,
    ...(introduced ? { identityToken: identity.token.bytes } : {}),
    ...changes,
  });
  return appendHeaders(request, [headerField('Intent-Token', token)]);
}

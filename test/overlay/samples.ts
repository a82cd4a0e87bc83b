import type { Binding, RegisteredBinding } from '../../src/overlay/index.ts';
import {
  createIdentityToken,
  generateSigningKey,
  type IdentityToken,
  type SeededSigningKey,
} from '../../src/tokens/index.ts';

/** Where the fake clock starts. */
export const startMs: number = Date.UTC(2026, 0, 1);

export interface SampleIdentity {
  readonly key: SeededSigningKey;
  readonly token: IdentityToken;
}

export function sampleIdentity(
  subject: string,
  {
    key = generateSigningKey(),
    issuedAt = startMs / 1000,
    days = 30,
  }: { key?: SeededSigningKey; issuedAt?: number; days?: number } = {},
): SampleIdentity {
  const token = createIdentityToken({
    key,
    subject,
    notBefore: issuedAt,
    expires: issuedAt + days * 86_400,
    now: issuedAt,
  });
  return { key, token };
}

export function sampleBinding(changes: Partial<RegisteredBinding> = {}): RegisteredBinding {
  return {
    id: 'contact-1',
    contactUri: 'sip:alice@10.0.0.7:5060',
    contactParams: [{ name: 'ob', value: undefined }],
    instanceId: undefined,
    regId: undefined,
    flowId: 'udp-1',
    transport: 'udp',
    observed: { address: '203.0.113.1', port: 44_321 },
    callId: 'call-1',
    cseq: 1,
    expiresAtMs: startMs + 60_000,
    qValue: 1000,
    path: [],
    userAgent: undefined,
    registeredAtMs: startMs,
    refreshedAtMs: startMs,
    ...changes,
  };
}

export function storedBinding(changes: Partial<Binding> = {}): Binding {
  return { ...sampleBinding(), node: 'node-1', assurance: 1, capabilities: [], sequence: 1, ...changes };
}

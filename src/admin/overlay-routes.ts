import { decodeBase64Url, encodeBase64Url } from '../base/index.ts';
import type {
  Challenge,
  EndpointOptions,
  IdentityOverlay,
  Registration,
  Verification,
} from '../overlay/index.ts';
import { RegistrationDesk } from './registration-desk.ts';

/** A part of JSON Schema: what fastify checks a request by, and what OpenAPI shows of it. */
export type Schema = Readonly<Record<string, unknown>>;

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface OverlayRequest {
  readonly params: Readonly<Record<string, string>>;
  /** Of the route's schema. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** One operation: how it is reached, what it takes, what it does. */
export interface OverlayRoute {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** As OpenAPI writes it: `/v1/endpoints/{who}`. */
  readonly path: string;
  readonly summary: string;
  readonly body?: Schema;
  /** Of the answer when all goes well. */
  readonly status: number;
  readonly answer: Schema;
  handle(request: OverlayRequest): Promise<Answer>;
}

const text = { type: 'string', maxLength: 256 } as const;
const base64 = { type: 'string', pattern: '^[A-Za-z0-9_-]+$', maxLength: 12_000 } as const;
const place = {
  ip: { ...text, description: 'IP address' },
  port: { type: 'integer', minimum: 1, maximum: 65_535 },
  behindNat: { type: 'boolean' },
  capabilities: { type: 'array', items: text, maxItems: 32 },
  lifetimeSeconds: { type: 'integer', minimum: 1 },
} as const;
const where = ['ip', 'port'];

function object(properties: Schema, required: readonly string[] = Object.keys(properties)): Schema {
  return { type: 'object', properties, required, additionalProperties: false };
}

const registrationSchema = object({ id: text, fingerprint: text, endpoint: text, sequence: text });
const challengeSchema = object({ nonce: text, message: base64, expiresAtMs: { type: 'integer' } });
const verificationSchema = object(
  { verified: { type: 'boolean' }, trustScore: { type: 'number' }, fault: text, id: text, fingerprint: text },
  ['verified', 'trustScore'],
);
const resolutionSchema = object(
  {
    resolved: { type: 'boolean' },
    endpoint: text,
    behindNat: { type: 'boolean' },
    capabilities: { type: 'array', items: text },
    id: text,
    fingerprint: text,
    trustScore: { type: 'number' },
  },
  ['resolved', 'capabilities'],
);

/** Everything that can be asked of the overlay over HTTP. */
export function overlayRoutes(overlay: IdentityOverlay): readonly OverlayRoute[] {
  const desk = new RegistrationDesk(overlay);
  const questions = new Map<string, Challenge>();
  return [
    {
      method: 'GET',
      path: '/v1/info',
      summary: 'Which gateway answers',
      status: 200,
      answer: object({ node: text }),
      handle: async () => ({ status: 200, body: { node: overlay.node } }),
    },
    {
      method: 'POST',
      path: '/v1/devices',
      summary: 'Register a device that has no key: the gateway makes one and keeps it',
      body: object({ name: text, ...place }, ['name', ...where]),
      status: 201,
      answer: registrationSchema,
      handle: async ({ body }) => registered(await overlay.register(String(body['name']), placeOf(body))),
    },
    {
      method: 'PUT',
      path: '/v1/devices/{who}/endpoint',
      summary: 'A new place for a device whose key the gateway keeps',
      body: object(place, where),
      status: 200,
      answer: object({ id: text, fingerprint: text, sequence: text }),
      handle: async ({ params, body }) => {
        const record = await overlay.signEndpoint(params['who'] ?? '', placeOf(body));
        return moved(await overlay.updateEndpoint(record));
      },
    },
    {
      method: 'POST',
      path: '/v1/registrations',
      summary: 'Register a device with its own key: answers with the challenge that it has to sign',
      body: object({ token: base64, ...place }, ['token', ...where]),
      status: 202,
      answer: challengeSchema,
      handle: async ({ body }) => {
        const challenge = await desk.begin(bytesOf(body['token']), placeOf(body));
        return challenge === undefined
          ? failed(503, 'busy')
          : { status: 202, body: challengeView(challenge) };
      },
    },
    {
      method: 'POST',
      path: '/v1/registrations/{nonce}',
      summary: 'The signature over the challenge, and a signed endpoint record for the same place',
      body: object({ signature: base64, record: base64 }),
      status: 201,
      answer: registrationSchema,
      handle: async ({ params, body }) => {
        const answer = { signature: bytesOf(body['signature']), record: bytesOf(body['record']) };
        const registration = await desk.finish(params['nonce'] ?? '', answer);
        return registration === undefined ? failed(404, 'unknown-challenge') : registered(registration);
      },
    },
    {
      method: 'PUT',
      path: '/v1/endpoints',
      summary: 'A newer endpoint record, signed by the device',
      body: object({ record: base64 }),
      status: 200,
      answer: object({ id: text, fingerprint: text, sequence: text }),
      handle: async ({ body }) => moved(await overlay.updateEndpoint(bytesOf(body['record']))),
    },
    {
      method: 'GET',
      path: '/v1/endpoints/{who}',
      summary: 'Where an identity can be reached now',
      status: 200,
      answer: resolutionSchema,
      handle: async ({ params }) => {
        const { identity, ...found } = await overlay.resolve(params['who'] ?? '');
        const { name: id, fingerprint, trustScore } = identity ?? {};
        return { status: 200, body: { ...found, id, fingerprint, trustScore } };
      },
    },
    {
      method: 'GET',
      path: '/v1/capabilities/{capability}',
      summary: 'Who is reachable now and has a capability',
      status: 200,
      answer: object({
        holders: { type: 'array', items: object({ id: text, fingerprint: text, endpoint: text }) },
      }),
      handle: async ({ params }) => {
        const found = await overlay.findByCapability(params['capability'] ?? '');
        const holders = found.map(({ id, identity: { fingerprint }, endpoint }) => ({
          id,
          fingerprint,
          endpoint,
        }));
        return { status: 200, body: { holders } };
      },
    },
    {
      method: 'POST',
      path: '/v1/verifications',
      summary:
        'Have an identity prove its key now; only a device whose key the gateway keeps can be asked from here',
      body: object({ who: text }),
      status: 200,
      answer: verificationSchema,
      handle: async ({ body }) => verified(await overlay.verify(String(body['who']))),
    },
    {
      method: 'POST',
      path: '/v1/challenges',
      summary: 'A question for a device that wants to prove itself',
      body: object({ who: text }),
      status: 202,
      answer: challengeSchema,
      handle: async ({ body }) => {
        const challenge = await overlay.challenge(String(body['who']));
        if (challenge === undefined) return failed(404, 'unknown-identity');
        const [oldest] = questions.keys();
        if (questions.size >= maxQuestions && oldest !== undefined) questions.delete(oldest);
        questions.set(challenge.nonce, challenge);
        return { status: 202, body: challengeView(challenge) };
      },
    },
    {
      method: 'POST',
      path: '/v1/challenges/{nonce}',
      summary: "The device's signature over the question: good once, right or wrong",
      body: object({ signature: base64 }),
      status: 200,
      answer: verificationSchema,
      handle: async ({ params, body }) => {
        const nonce = params['nonce'] ?? '';
        const challenge = questions.get(nonce);
        questions.delete(nonce);
        return challenge === undefined
          ? failed(404, 'unknown-challenge')
          : verified(await overlay.answerChallenge(challenge, bytesOf(body['signature'])));
      },
    },
  ];
}

const maxQuestions = 10_000;

export function failed(status: number, error: string, message?: string): Answer {
  return { status, body: { error, ...(message !== undefined && { message }) } };
}

function registered({ id, identity, endpoint, sequence }: Registration): Answer {
  const body = { id, fingerprint: identity.fingerprint, endpoint, sequence: String(sequence) };
  return { status: 201, body };
}

function moved({ identity, sequence }: Awaited<ReturnType<IdentityOverlay['updateEndpoint']>>): Answer {
  const body = { id: identity.name, fingerprint: identity.fingerprint, sequence: String(sequence) };
  return { status: 200, body };
}

function verified({ verified: is, trustScore, fault, identity }: Verification): Answer {
  const who = identity && { id: identity.name, fingerprint: identity.fingerprint };
  return { status: 200, body: { verified: is, trustScore, fault, ...who } };
}

function challengeView({ nonce, message, expiresAtMs }: Challenge): object {
  return { nonce, message: encodeBase64Url(message), expiresAtMs };
}

/** The schema has seen to the types. */
function placeOf(body: Readonly<Record<string, unknown>>): EndpointOptions {
  const { ip, port, behindNat, capabilities, lifetimeSeconds } = body;
  return {
    ip: String(ip),
    port: Number(port),
    ...(behindNat !== undefined && { behindNat: behindNat === true }),
    ...(Array.isArray(capabilities) && { capabilities: capabilities.map(String) }),
    ...(lifetimeSeconds !== undefined && { lifetimeSeconds: Number(lifetimeSeconds) }),
  };
}

function bytesOf(value: unknown): Uint8Array {
  return decodeBase64Url(String(value)) ?? new Uint8Array();
}

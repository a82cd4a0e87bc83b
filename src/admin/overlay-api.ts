import { createHash, timingSafeEqual } from 'node:crypto';
import { type FastifyInstance, fastify } from 'fastify';
import { listen } from '../base/index.ts';
import { type IdentityOverlay, OverlayError } from '../overlay/index.ts';
import { TokenError } from '../tokens/index.ts';
import { guardLoopback } from './loopback-guard.ts';
import { type Answer, failed, type OverlayRoute, overlayRoutes } from './overlay-routes.ts';

export interface OverlayApiOptions {
  readonly host: string;
  readonly port: number;
  readonly overlay: IdentityOverlay;
  /** What clients show as `Authorization: Bearer`; undefined: whoever reaches the address may ask. */
  readonly secret: string | undefined;
}

const maxBodyBytes = 16_384;

/** The overlay's program interface over HTTP, for devices and programs that speak no SIP. */
export class OverlayApi {
  readonly #options: OverlayApiOptions;
  readonly #server: FastifyInstance;

  constructor(options: OverlayApiOptions) {
    this.#options = options;
    this.#server = fastify({
      logger: false,
      forceCloseConnections: true,
      bodyLimit: maxBodyBytes,
      ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
      routerOptions: { maxParamLength: 256 },
    });
    if (options.secret === undefined) guardLoopback(this.#server, options.host);
    this.#server.addHook('onRequest', (request, reply, done) => {
      reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
      if (this.#isAllowed(request.headers.authorization)) done();
      else reply.code(401).header('www-authenticate', 'Bearer').send({ error: 'unauthorised' });
    });
    this.#server.setNotFoundHandler((_request, reply) => {
      const { status, body } = failed(404, 'not-found', 'there is no such path; see /openapi.json');
      return reply.code(status).send(body);
    });
    this.#server.setErrorHandler((error, _request, reply) => {
      const { status, body } = refusalOf(error);
      return reply.code(status).send(body);
    });
    const routes = overlayRoutes(options.overlay);
    const description = openApiOf(routes);
    this.#server.get('/openapi.json', () => description);
    for (const route of routes)
      this.#server.route({
        method: route.method,
        url: route.path.replaceAll('{', ':').replaceAll('}', ''),
        schema: route.body === undefined ? {} : { body: route.body },
        handler: async (request, reply) => {
          const params = request.params as Readonly<Record<string, string>>;
          const body = (request.body ?? {}) as Readonly<Record<string, unknown>>;
          const answer = await route.handle({ params, body });
          return reply.code(answer.status).send(answer.body);
        },
      });
  }

  /** Resolves with the port that serves; rejects with the system's error when it cannot listen. */
  start(): Promise<number> {
    return listen(this.#server, this.#options);
  }

  async close(): Promise<void> {
    await this.#server.close();
  }

  /** What the server itself knows to be served, for whoever compares it with the description. */
  get served(): string {
    return this.#server.printRoutes({ commonPrefix: false });
  }

  #isAllowed(authorization: string | undefined): boolean {
    const { secret } = this.#options;
    if (secret === undefined) return true;
    const digest = (value: string): Buffer => createHash('sha256').update(value).digest();
    return timingSafeEqual(digest(authorization ?? ''), digest(`Bearer ${secret}`));
  }
}

const conflicts: readonly string[] = [
  'name-taken',
  'alias-taken',
  'username-taken',
  'record-replayed',
  'superseded',
];

function refusalOf(error: unknown): Answer {
  if (error instanceof OverlayError) {
    if (conflicts.includes(error.code)) return failed(409, error.code, error.message);
    if (error.code === 'unknown-identity') return failed(404, error.code, error.message);
    if (error.code.startsWith('store-')) return failed(503, error.code);
    return failed(403, error.code, error.message);
  }
  if (error instanceof TokenError) return failed(400, error.code, error.message);
  const status =
    typeof error === 'object' && error !== null && 'statusCode' in error ? Number(error.statusCode) : 500;
  return status >= 400 && status < 500
    ? failed(status, 'bad-request', error instanceof Error ? error.message : String(error))
    : failed(500, 'internal');
}

/** OpenAPI 3.1 of the routes: what is described is what is served. */
function openApiOf(routes: readonly OverlayRoute[]): object {
  const paths: Record<string, Record<string, object>> = {};
  const failure = { description: 'refused: `error` holds the code, `message` says more' };
  for (const { method, path, summary, body, status, answer } of routes) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    paths[path] = {
      ...paths[path],
      [method.toLowerCase()]: {
        summary,
        parameters: names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
        ...(body && { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
        responses: {
          [status]: { description: 'done', content: { 'application/json': { schema: answer } } },
          '4XX': failure,
        },
      },
    };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'tibet-sip identity overlay', version: '1' },
    components: { securitySchemes: { secret: { type: 'http', scheme: 'bearer' } } },
    security: [{ secret: [] }, {}],
    paths,
  };
}

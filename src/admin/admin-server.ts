import { type FastifyInstance, fastify } from 'fastify';
import { listen } from '../base/index.ts';
import { guardLoopback } from './loopback-guard.ts';
import type { Metrics } from './metrics.ts';
import { statusPage } from './status-page.ts';

export interface CallView {
  readonly id: string;
  readonly caller: string;
  readonly callee: string;
  readonly intent: string;
  readonly state: 'trying' | 'ringing' | 'answered';
  /** ISO 8601. */
  readonly since: string;
}

export interface PeerView {
  readonly name: string;
  readonly role: 'pbx' | 'trunk';
  readonly target: string;
  /** `unknown`: not asked yet, or never asked. */
  readonly state: 'unknown' | 'up' | 'down';
  /** ISO 8601. */
  readonly since: string;
  /** Undefined where this gateway registers nobody. */
  readonly registrations:
    | { readonly registered: number; readonly pending: number; readonly refused: number }
    | undefined;
}

/** The relay or media servers that this gateway's calls pass through. */
export interface MediaView {
  readonly up: boolean;
  /** Branches of calls that media is anchored for. */
  readonly sessions: number;
  /** How full it is, or what is wrong. */
  readonly detail: string;
}

export interface StatusView {
  readonly software: string;
  readonly domain: string;
  readonly node: string;
  readonly startedAt: string;
  readonly addresses: readonly string[];
  readonly flows: Readonly<Record<string, number>>;
  readonly transactions: number;
  readonly audit: {
    readonly healthy: boolean;
    readonly records: number;
    readonly checkpoint: string | undefined;
  };
  readonly peers: readonly PeerView[];
  /** Undefined where phones exchange media without this gateway. */
  readonly media: MediaView | undefined;
  readonly calls: readonly CallView[];
  /** True when only the first calls are listed. */
  readonly callsTruncated: boolean;
  readonly callsUp: number;
}

export interface AdminServerOptions {
  readonly host: string;
  readonly port: number;
  readonly metrics: Metrics;
  readonly status: () => StatusView;
}

/** The page has a style of its own and nothing else; who looks at it may see names, so nothing is kept or framed. */
const headers = {
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

/** HTTP for operators: a page, its JSON, health and metrics. Reads only; bind it where only operators are. */
export class AdminServer {
  readonly #options: AdminServerOptions;
  readonly #server: FastifyInstance;

  constructor(options: AdminServerOptions) {
    this.#options = options;
    this.#server = fastify({ logger: false, forceCloseConnections: true });
    guardLoopback(this.#server, options.host);
    // Before anything of the body is read.
    this.#server.addHook('onRequest', (request, reply, done) => {
      reply.headers(headers);
      if (request.method === 'GET' || request.method === 'HEAD') done();
      else reply.code(405).header('allow', 'GET, HEAD').send({ error: 'this address is for reading only' });
    });
    this.#server.get('/', (_request, reply) =>
      reply.type('text/html; charset=utf-8').send(statusPage(options.status())),
    );
    this.#server.get('/status', () => options.status());
    this.#server.get('/healthz', (_request, reply) => {
      const { healthy } = options.status().audit;
      return reply
        .code(healthy ? 200 : 503)
        .send({ status: healthy ? 'ok' : 'audit log unavailable: new calls get 503' });
    });
    this.#server.get('/metrics', async (_request, reply) => {
      const { contentType, body } = await options.metrics.text();
      return reply.type(contentType).send(body);
    });
  }

  /** Resolves with the port that serves; rejects with the system's error when it cannot listen. */
  start(): Promise<number> {
    return listen(this.#server, this.#options);
  }

  async close(): Promise<void> {
    await this.#server.close();
  }
}

import type { Server } from 'node:https';
import { type FastifyInstance, fastify } from 'fastify';
import { listen } from '../base/index.ts';
import { isFingerprint } from '../tokens/index.ts';
import { encodePublished, type PublishedIdentity } from './published-identity.ts';
import { wellKnown } from './record-client.ts';

export interface RecordServerOptions {
  readonly host: string;
  readonly port: number;
  /** PEM. */
  readonly tls: { readonly cert: string; readonly key: string };
  /** By fingerprint or whole name; undefined for who is not registered here. */
  readonly published: (who: string) => Promise<PublishedIdentity | undefined>;
  /** Domains where a fingerprint may live. */
  readonly domainsOf: (fingerprint: string) => Promise<readonly string[]>;
}

const maxWhoLength = 256;
const cacheControl = 'public, max-age=30';

/** What this domain publishes of its identities, over HTTPS; for everybody, so it takes nothing but short GETs. */
export class RecordServer {
  readonly #options: RecordServerOptions;
  readonly #server: FastifyInstance<Server>;

  constructor(options: RecordServerOptions) {
    this.#options = options;
    this.#server = fastify({
      logger: false,
      forceCloseConnections: true,
      requestTimeout: 5_000,
      keepAliveTimeout: 5_000,
      bodyLimit: 1,
      routerOptions: { maxParamLength: maxWhoLength },
      https: { ...options.tls, minVersion: 'TLSv1.2' },
    });
    this.#server.get<{ Params: { who: string } }>(`${wellKnown}/identity/:who`, async ({ params }, reply) =>
      isFingerprint(params.who)
        ? this.#record(params.who, reply)
        : reply.code(404).send({ error: 'unknown' }),
    );
    this.#server.get<{ Params: { who: string } }>(`${wellKnown}/name/:who`, async ({ params }, reply) =>
      params.who.includes(':') ? this.#record(params.who, reply) : reply.code(404).send({ error: 'unknown' }),
    );
    this.#server.get<{ Params: { who: string } }>(`${wellKnown}/where/:who`, async ({ params }, reply) => {
      if (!isFingerprint(params.who)) return reply.code(404).send({ error: 'unknown' });
      return reply.send({ domains: await options.domainsOf(params.who) });
    });
  }

  /** Resolves with the port that serves; rejects with the system's error when it cannot listen. */
  start(): Promise<number> {
    return listen(this.#server, this.#options);
  }

  async close(): Promise<void> {
    await this.#server.close();
  }

  async #record(who: string, reply: { code(status: number): Reply } & Reply): Promise<Reply> {
    const published = await this.#options.published(who);
    if (published === undefined) return reply.code(404).send({ error: 'unknown' });
    return reply
      .header('cache-control', cacheControl)
      .header('content-type', 'application/json')
      .send(encodePublished(published));
  }
}

interface Reply {
  header(name: string, value: string): Reply;
  send(body: unknown): Reply;
}

import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';

/**
 * Where only programs of this machine are to ask, a page from elsewhere could: its own name resolves to 127.0.0.1 all of
 * a sudden (DNS rebinding), and the browser lets it read the answers. Its requests still carry that name: RFC 9110 §7.4.
 */
export function guardLoopback(server: FastifyInstance, host: string): void {
  if (!isLoopback(host)) return;
  server.addHook('onRequest', (request, reply, done) => {
    if (asksForThisMachine(request.headers.host)) done();
    else reply.code(421).send({ error: 'ask for this address as localhost, or by its IP address' });
  });
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** A browser always says whom it asks. */
function asksForThisMachine(authority: string | undefined): boolean {
  if (authority === undefined) return true;
  const name = authority.replace(/:\d*$/, '').toLowerCase();
  return name === 'localhost' || name.endsWith('.localhost') || isIP(name.replace(/^\[|\]$/g, '')) !== 0;
}

import { isIP } from 'node:net';
import type { Config, ListenAddress } from '../../config/index.ts';
import type { Parts, Surroundings } from '../parts.ts';
import type { NodeAddress } from './node-hops.ts';

/** Tells the other gateways of a shared store where this one is; alone on an embedded one there is nobody to tell. */
export async function startHops(
  { config, logger }: Surroundings,
  { hops }: Pick<Parts, 'hops'>,
  listening: readonly ListenAddress[],
): Promise<void> {
  if (config.overlay.store.kind !== 'redis') return;
  const own = addressOf(config, listening);
  if (own !== undefined) return hops.start(own);
  logger.warn(
    {},
    'other gateways cannot send calls here: set overlay.node.address, or listen on a TCP or TLS address of this machine',
  );
}

function addressOf(
  { overlay, advertise }: Config,
  listening: readonly ListenAddress[],
): NodeAddress | undefined {
  const named = overlay.node.address;
  if (named?.port !== undefined)
    return { transport: named.transport === 'tls' ? 'tls' : 'tcp', address: named.host, port: named.port };
  for (const transport of ['tls', 'tcp'] as const) {
    const listener = listening.find((each) => each.transport === transport);
    const everywhere = listener?.host === '0.0.0.0' || listener?.host === '::';
    const address = everywhere ? (advertise ?? '') : listener?.host;
    if (listener !== undefined && address !== undefined && isIP(address) !== 0)
      return { transport, address, port: listener.port };
  }
  return undefined;
}

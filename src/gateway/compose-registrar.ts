import { type Gruus, type LocationService, Registrar } from '../sip/index.ts';
import type { OwnAddresses } from './own-addresses.ts';
import type { Surroundings } from './parts.ts';
import { serviceRoutesFor } from './service-route.ts';

export interface RegistrarParts {
  readonly location: LocationService;
  readonly addresses: OwnAddresses;
  /** Undefined where phones get none. */
  readonly gruus: Gruus | undefined;
}

/** The registrar, as the configuration wants it. */
export function createRegistrar(
  { config, random }: Surroundings,
  { location, addresses, gruus }: RegistrarParts,
): Registrar {
  const { registrar: policy, limits } = config;
  return new Registrar({
    location,
    // Registration has already found the Request-URI to be ours, by the address that it arrived at.
    serves: () => true,
    random,
    ...(gruus === undefined ? {} : { gruus }),
    serviceRoutes: (source) =>
      serviceRoutesFor(policy.serviceRoute, source.transport, addresses.towards(source)),
    policy: {
      minExpiresSeconds: policy.minExpires,
      defaultExpiresSeconds: policy.defaultExpires,
      maxExpiresSeconds: policy.maxExpires,
      maxBindings: policy.maxBindingsPerIdentity,
      ...limits.registrar,
      datagramFlowTimerSeconds: limits.transport.udpKeepSeconds,
      streamFlowTimerSeconds: limits.transport.streamKeepSeconds,
    },
  });
}

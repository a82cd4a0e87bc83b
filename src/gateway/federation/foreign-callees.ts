import type { Logger } from '../../base/index.ts';
import type { PeerTarget } from '../../config/index.ts';
import { FederationError, type ForeignIdentities, type VerifiedIdentity } from '../../federation/index.ts';
import { dialledUser } from '../../intent/index.ts';
import {
  type Flow,
  LocatingError,
  type Locator,
  type ProxyTarget,
  reach,
  type SipUri,
  type TransportLayer,
} from '../../sip/index.ts';
import { isFingerprint, nameOfSipUser } from '../../tokens/index.ts';
import type { ForeignGateways } from '../hops/node-hops.ts';
import { domainOfParty, domainParty } from './foreign-callers.ts';

/** Gateways of other domains whose keys are remembered, for dialogs that lose their connection. */
const maxGateways = 10_000;

export interface ForeignCalleesOptions {
  readonly identities: ForeignIdentities;
  readonly transport: TransportLayer;
  readonly locator: Locator;
  /** Which addresses a stranger may make us connect to. */
  readonly mayAsk: (address: string) => boolean;
  /** Where calls to domains go that the operator has named; the others are for DNS to say. */
  readonly known: ReadonlyMap<string, PeerTarget>;
  /** Only TLS will do between operators. */
  readonly secure: boolean;
  readonly logger: Logger;
}

/** Finds identities of other domains, and opens flows to their gateways. */
export class ForeignCallees implements ForeignGateways {
  readonly #options: ForeignCalleesOptions;
  /** By the gateway's fingerprint. */
  readonly #gateways = new Map<string, { readonly domain: string; readonly publicKey: Uint8Array }>();

  constructor(options: ForeignCalleesOptions) {
    this.#options = options;
  }

  /** Who is meant by an address of another domain, or, with `anywhere`, by a bare fingerprint that nobody here has. */
  async find(uri: SipUri, anywhere: boolean): Promise<VerifiedIdentity | FederationError> {
    const user = dialledUser(uri.user ?? '');
    // `bob`, or a whole name such as `did:web:bob`.
    const name = nameOfSipUser(user)?.text ?? (user.includes(':') ? user : undefined);
    const { identities, logger } = this.#options;
    try {
      const domain = uri.host.toLowerCase();
      const found = isFingerprint(user)
        ? await (anywhere ? identities.anywhere(user) : identities.byFingerprint(user, domain))
        : name === undefined || anywhere
          ? undefined
          : await identities.byName(name, domain);
      if (found === undefined) return new FederationError('not-found', 'no name or fingerprint');
      this.met(found);
      return found;
    } catch (error) {
      if (!(error instanceof FederationError)) throw error;
      if (error.code !== 'not-found')
        logger.warn(
          { callee: user, host: uri.host, code: error.code },
          'an identity elsewhere was not found',
        );
      return error;
    }
  }

  /** One target at the domain's gateway; undefined when it cannot be reached. */
  async target(found: VerifiedIdentity, requestUri: string): Promise<ProxyTarget | undefined> {
    const flow = await this.#flowTo(found.domain);
    return flow && { flow, requestUri, qValue: 1000, identity: domainParty + found.domain };
  }

  /** Remembers whose gateway this is. */
  met({ domain, gateway }: VerifiedIdentity): void {
    const [oldest] = this.#gateways.keys();
    this.#gateways.delete(gateway.fingerprint);
    if (this.#gateways.size >= maxGateways && oldest !== undefined) this.#gateways.delete(oldest);
    this.#gateways.set(gateway.fingerprint, { domain, publicKey: gateway.publicKey });
  }

  gatewayOf(fingerprint: string): { readonly party: string; readonly publicKey: Uint8Array } | undefined {
    const known = this.#gateways.get(fingerprint);
    return known && { party: domainParty + known.domain, publicKey: known.publicKey };
  }

  async reach(party: string): Promise<{ readonly flow: Flow; readonly fingerprint: string } | undefined> {
    const domain = domainOfParty(party);
    if (domain === undefined) return undefined;
    const known = this.#gateways.entries().find(([, gateway]) => gateway.domain === domain);
    if (known === undefined) return undefined;
    const flow = await this.#flowTo(domain);
    return flow && { flow, fingerprint: known[0] };
  }

  async #flowTo(domain: string): Promise<Flow | undefined> {
    const { transport, locator, mayAsk, known, secure, logger } = this.#options;
    const named = known.get(domain);
    try {
      const located = await locator.locate(
        named ?? { host: domain, secure, transport: undefined, port: undefined },
      );
      const allowed = located
        .filter(({ address, transport: kind }) => (named !== undefined || mayAsk(address)) && kind !== 'udp')
        // RFC 5922: the certificate is the domain's, wherever the operator has found it.
        .map((target) => (target.transport === 'tls' ? { ...target, serverName: domain } : target));
      const reached = await reach(allowed, {
        transport,
        locator,
        onFailed: (target, { code }) => logger.warn({ domain, target, code }, 'a domain takes no connection'),
      });
      return reached?.flow;
    } catch (error) {
      if (!(error instanceof LocatingError)) throw error;
      logger.warn({ domain, code: error.code }, 'a domain cannot be found');
      return undefined;
    }
  }
}

import { readUri } from '../intent/index.ts';
import type { Binding, IdentityOverlay, IdentityRecord } from '../overlay/index.ts';
import {
  type Flow,
  type Gruus,
  type GruuTarget,
  isGruu,
  type ProxyTarget,
  type SipUri,
} from '../sip/index.ts';
import type { BindingChoice, Reachability } from './reachability.ts';
import type { ServedDomain } from './served-domain.ts';

/** The phone that a GRUU means. */
export interface GruuPhone {
  readonly identity: IdentityRecord;
  readonly chooses: BindingChoice;
}

export interface GruuRoutingOptions {
  readonly gruus: Gruus;
  readonly overlay: IdentityOverlay;
  readonly reachability: Reachability;
  readonly domain: ServedDomain;
}

/** Leads requests for a GRUU to the one phone that it was given to (RFC 5627 §6.1). */
export class GruuRouting {
  readonly #options: GruuRoutingOptions;

  constructor(options: GruuRoutingOptions) {
    this.#options = options;
  }

  /**
   * The phone behind a GRUU of our own domain, whether it can be reached or not; undefined for one that was never
   * given out, or is no longer valid: such a request is answered 404.
   */
  async phoneAt(uri: SipUri): Promise<GruuPhone | undefined> {
    const { gruus, overlay } = this.#options;
    const target = gruus.read(uri);
    const identity = target && (await overlay.lookup(target.aor));
    if (target === undefined || identity === undefined) return undefined;
    if (target.kind === 'temporary' && (await this.#isOutdated(target, identity))) return undefined;
    return { identity, chooses: (binding: Binding) => target.accepts(binding) };
  }

  /**
   * Within a dialog a phone's GRUU stands in the Request-URI when it is its remote target: where that phone is now,
   * preferably on `flow`, and its Contact, which is what the phone expects. Undefined for any other URI, and for a GRUU
   * of anybody but the dialog's other party.
   */
  async remoteTarget(
    requestUri: string,
    towards: {
      readonly identity: string | undefined;
      readonly flow: Flow | undefined;
      readonly localAddress: string;
    },
  ): Promise<Pick<ProxyTarget, 'flow' | 'requestUri' | 'routes'> | undefined> {
    const { identity: fingerprint, flow, localAddress } = towards;
    if (fingerprint === undefined || !requestUri.includes(';gr')) return undefined;
    const uri = readUri(requestUri);
    if (uri === undefined || (uri.scheme !== 'sip' && uri.scheme !== 'sips') || !isGruu(uri))
      return undefined;
    const { domain, gruus, overlay, reachability } = this.#options;
    const target = domain.serves(uri.host, localAddress) ? gruus.read(uri) : undefined;
    if (target === undefined || (await overlay.lookup(target.aor))?.fingerprint !== fingerprint)
      return undefined;
    // A dialog outlives the validity of the temporary GRUU that it began with.
    const ofPhone = (binding: Binding): boolean => target.isOfPhone(binding);
    const onFlow = (binding: Binding): boolean => ofPhone(binding) && binding.flowId === flow?.id;
    const [same] = await reachability.targets(fingerprint, onFlow);
    if (same !== undefined) return same;
    const [newest] = await reachability.targets(fingerprint, ofPhone);
    return newest;
  }

  /** RFC 5627 §3.2: the phone has registered under another Call-ID since. */
  async #isOutdated(target: GruuTarget, identity: IdentityRecord): Promise<boolean> {
    const bindings = await this.#options.overlay.bindings(identity.fingerprint);
    const ofPhone = bindings.filter((binding) => target.isOfPhone(binding));
    return ofPhone.length > 0 && !ofPhone.some((binding) => target.accepts(binding));
  }
}

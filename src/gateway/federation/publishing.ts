import { type Clock, epochSeconds, type Random } from '../../base/index.ts';
import { homeRequest, maxPredecessors, type PublishedIdentity } from '../../federation/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../../overlay/index.ts';
import { headerValue, type SipRequest } from '../../sip/index.ts';
import {
  bareIntentToken,
  createIntentToken,
  decodeIntentToken,
  sipUserOf,
  TokenError,
} from '../../tokens/index.ts';

/** What the gateway signs in place of a REGISTER is asked for again each time. */
const homeLifetimeSeconds = 120;

export interface PublishingOptions {
  readonly overlay: IdentityOverlay;
  readonly domain: string;
  /** The gateway's identity token. */
  readonly gateway: Uint8Array;
  /** Whether members of realms are published. */
  readonly realms: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/** What this domain tells everybody of its identities: each identity's own words, and no pseudonym's parent. */
export class Publishing {
  readonly #options: PublishingOptions;

  constructor(options: PublishingOptions) {
    this.#options = options;
  }

  /** Keeps the device's word that its home is here. */
  async registered(request: SipRequest, fingerprint: string): Promise<void> {
    const value = headerValue(request, 'intent-token');
    if (value === undefined) return;
    try {
      const intent = decodeIntentToken(value);
      if (intent.signer === fingerprint && intent.audience.toLowerCase() === this.#options.domain)
        await this.#options.overlay.saveHome(fingerprint, bareIntentToken(intent), intent.issuedAt);
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
    }
  }

  /** By fingerprint or whole name; undefined for who is unknown, has ended, or has a parent or realm to
   * hide. */
  async find(who: string): Promise<PublishedIdentity | undefined> {
    const identity = await this.#options.overlay.lookup(who);
    if (identity === undefined || !this.#mayBeShown(identity)) return undefined;
    const tombstone =
      identity.status === 'revoked' ? await this.#options.overlay.tombstone(identity.publicKey) : undefined;
    if (identity.status !== 'active' && tombstone === undefined) return undefined;
    const home = await this.#homeOf(identity);
    if (home === undefined) return undefined;
    const { gateway, overlay } = this.#options;
    const predecessors = (await overlay.predecessorsOf(identity)).slice(0, maxPredecessors);
    return {
      identity: identity.token,
      home,
      gateway,
      ...(tombstone && { tombstone }),
      // They have its realm, and show no parent unless it does: a successor is made like them.
      ...(predecessors.length > 0 && { predecessors }),
    };
  }

  async isHere(fingerprint: string): Promise<boolean> {
    return (await this.find(fingerprint)) !== undefined;
  }

  #mayBeShown({ parent, realm }: IdentityRecord): boolean {
    return parent === undefined && (realm === undefined || this.#options.realms);
  }

  async #homeOf(identity: IdentityRecord): Promise<string | undefined> {
    const { overlay, domain, clock, random } = this.#options;
    const { fingerprint, name, custody, expires } = identity;
    if (custody === 'device') return (await overlay.home(fingerprint))?.token;
    const key = await overlay.custodialKey(fingerprint);
    if (key === undefined) return undefined;
    const now = epochSeconds(clock);
    return createIntentToken({
      signer: { key, fingerprint, expires },
      audience: domain,
      iat: now,
      exp: now + homeLifetimeSeconds,
      cti: random.bytes(16),
      request: homeRequest(sipUserOf(name), domain),
      callee: { fingerprint },
      intent: { code: 'register', text: `be found at ${domain}` },
      parents: [],
      assurance: 1,
    });
  }
}

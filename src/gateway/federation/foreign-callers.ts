import { type Clock, concatBytes, epochSeconds, type Logger } from '../../base/index.ts';
import { FederationError, type ForeignIdentities, type VerifiedIdentity } from '../../federation/index.ts';
import { addressOf, dialledUser, intentRequestOf, readUri } from '../../intent/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../../overlay/index.ts';
import type { Flow, SipRequest } from '../../sip/index.ts';
import {
  checkIntent,
  decodeIntentToken,
  fingerprintBytes,
  type IntentFault,
  type IntentToken,
  isFingerprint,
  nameOfSipUser,
  sha256,
  TokenError,
  verifyIntentToken,
} from '../../tokens/index.ts';
import { identityAt } from '../identity-at.ts';
import type { Principal } from '../principal.ts';
import type { ServedDomain } from '../served-domain.ts';
import type { UsedTokens } from '../used-tokens.ts';
import { foreignRecord } from './foreign-record.ts';

export const domainParty = 'domain:';

/** The domain behind a party of a dialog, if it is another operator. */
export function domainOfParty(party: string | undefined): string | undefined {
  return party?.startsWith(domainParty) === true ? party.slice(domainParty.length) : undefined;
}

export interface ForeignCallersOptions {
  readonly identities: ForeignIdentities;
  readonly overlay: IdentityOverlay;
  readonly domain: ServedDomain;
  readonly used: UsedTokens;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of every domain that has proved an identity. */
  readonly onFound: (found: VerifiedIdentity) => void;
}

/** Why a caller of another domain is not believed. */
export interface ForeignRefusal {
  readonly fault: string;
  readonly claimed: string | undefined;
}

/** Checks callers of other domains against what these publish of them, and their tokens with the key found there. */
export class ForeignCallers {
  readonly #options: ForeignCallersOptions;

  constructor(options: ForeignCallersOptions) {
    this.#options = options;
  }

  /** The domain under whose name a request comes; undefined for our own, and for what could not be asked about. */
  async domainOf(request: SipRequest, flow: Flow): Promise<string | undefined> {
    const { domain, overlay, identities } = this.#options;
    const uri = readUri(request.from.uri);
    if (uri?.scheme !== 'sip' && uri?.scheme !== 'sips') return undefined;
    const { user } = uri;
    const foreign = domain.serves(uri.host, flow.local.address) ? undefined : uri.host.toLowerCase();
    if (request.to.tag === undefined || user === undefined || !isFingerprint(user)) return foreign;
    // Within a dialog an identity goes by the fingerprint and the domain at which it was dialled.
    if ((await overlay.identity(user)) !== undefined) return undefined;
    return foreign ?? (await identities.seenAt(user));
  }

  /** A caller whom another gateway of ours has checked. Rejects with FederationError. */
  async passedOn(caller: string, domain: string): Promise<IdentityRecord> {
    return foreignRecord(await this.#options.identities.byFingerprint(caller, domain));
  }

  async check(
    request: SipRequest,
    flow: Flow,
    domain: string,
    headerField: string,
  ): Promise<(Principal & { kind: 'identity' }) | ForeignRefusal> {
    // A datagram's source may be forged: nobody is to send us asking around with one.
    if (!flow.reliable) return { fault: 'foreign-over-udp', claimed: undefined };
    try {
      return await this.#check(request, flow, domain, decodeIntentToken(headerField));
    } catch (error) {
      if (error instanceof TokenError) return { fault: error.code, claimed: undefined };
      if (error instanceof FederationError)
        return { fault: `foreign-${error.code}`, claimed: request.from.uri };
      throw error;
    }
  }

  async #check(
    request: SipRequest,
    flow: Flow,
    domain: string,
    intent: IntentToken,
  ): Promise<(Principal & { kind: 'identity' }) | ForeignRefusal> {
    const { identities, overlay, used, clock, onFound } = this.#options;
    const { onBehalfOf, signer } = intent;
    const caller = onBehalfOf ?? signer;
    const refuse = (fault: string): ForeignRefusal => ({ fault, claimed: caller });
    const found = await identities.byFingerprint(caller, domain);
    // What is known here of the same key counts for more.
    if (await overlay.isRevoked(found.token.publicKey)) return refuse('identity-revoked');
    if (caller !== found.token.fingerprint) return refuse('replaced');
    const holder = onBehalfOf === undefined ? found.token : found.gateway;
    if (signer !== holder.fingerprint || !verifyIntentToken(intent, holder.publicKey))
      return refuse('signature');
    if (!speaksFor(found, request, onBehalfOf !== undefined)) return refuse('from');
    const fault = await this.#fault(request, flow, domain, intent, holder.expires);
    if (fault !== undefined) return refuse(fault);
    const id = sha256(concatBytes(fingerprintBytes(signer), intent.cti));
    const use = await used.use(id, clock.now());
    if (use !== 'first') return refuse(use === 'again' ? 'replay' : 'store-unavailable');
    onFound(found);
    const device = onBehalfOf === undefined;
    return {
      kind: 'identity',
      identity: foreignRecord(found),
      assurance: device ? 3 : intent.assurance,
      intent: device ? intent : undefined,
      via: domainParty + domain,
    };
  }

  /** The caller has signed whom it dialled: the address here, or, by fingerprint, under its own domain. */
  async #fault(
    request: SipRequest,
    flow: Flow,
    domain: string,
    intent: IntentToken,
    signerExpires: number,
  ): Promise<IntentFault | undefined> {
    const { overlay, clock, domain: own } = this.#options;
    const audience = intent.audience.toLowerCase();
    if (audience !== domain && !own.serves(audience, flow.local.address)) return 'audience';
    const inDialog = request.to.tag !== undefined;
    const callee = await identityAt(overlay, inDialog ? request.to.uri : request.uri);
    const dialled = await identityAt(overlay, request.to.uri);
    const address =
      dialled?.fingerprint === callee?.fingerprint ? addressOf(request.to.uri) : addressOf(request.uri);
    return checkIntent(intent, {
      audience: intent.audience,
      request: intentRequestOf(request),
      calleeAddresses: { fingerprint: callee?.fingerprint, address },
      now: epochSeconds(clock),
      signerExpires,
    });
  }
}

/** Its own fingerprint or name; the number of a phone that its gateway signs for is that gateway's word. */
function speaksFor({ token }: VerifiedIdentity, request: SipRequest, onBehalf: boolean): boolean {
  const uri = readUri(request.from.uri);
  if ((uri?.scheme !== 'sip' && uri?.scheme !== 'sips') || uri.user === undefined) return false;
  const user = dialledUser(uri.user);
  return (
    onBehalf ||
    user === token.fingerprint ||
    user === token.subject ||
    nameOfSipUser(user)?.text === token.subject
  );
}

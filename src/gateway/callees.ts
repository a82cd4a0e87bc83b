import { FederationError, type VerifiedIdentity } from '../federation/index.ts';
import { addressOf, dialledUser, readUri } from '../intent/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../overlay/index.ts';
import { type Flow, isGruu, type SipRequest, type SipUri } from '../sip/index.ts';
import { isFingerprint } from '../tokens/index.ts';
import type { CallParty } from './call-records.ts';
import type { ForeignCallees } from './federation/foreign-callees.ts';
import { foreignRecord } from './federation/foreign-record.ts';
import type { GruuRouting } from './gruu-routing.ts';
import { type Meant, meantBy } from './peers/called-number.ts';
import type { PeerTable } from './peers/peer-table.ts';
import type { Principal } from './principal.ts';
import type { BindingChoice } from './reachability.ts';
import type { ServedDomain } from './served-domain.ts';

export interface Callee {
  readonly address: string;
  readonly identity: IdentityRecord | undefined;
  readonly party: CallParty;
  /** Set when one phone of the identity is meant, by its GRUU. */
  readonly chooses?: BindingChoice;
  /** Set when another operator has it. */
  readonly elsewhere?: VerifiedIdentity;
}

export interface CalleesOptions {
  readonly overlay: IdentityOverlay;
  readonly gruus: GruuRouting;
  readonly peers: PeerTable;
  /** Undefined where calls do not leave this domain. */
  readonly foreign: ForeignCallees | undefined;
  readonly domain: ServedDomain;
}

/** Who is meant by an address: an identity by name, fingerprint or alias, one of its phones, or somebody elsewhere. */
export class Callees {
  readonly #options: CalleesOptions;

  constructor(options: CalleesOptions) {
    this.#options = options;
  }

  /** A gateway that sent a request here has translated what was dialled. */
  meantBy(sender: Principal, uri: SipUri, request: SipRequest): Meant {
    if (sender.via !== undefined) return { uri, peer: undefined };
    return meantBy(sender, uri, request, this.#options.peers.all);
  }

  /** An address of another domain, where calls may leave this one. */
  foreignUri(text: string): SipUri | undefined {
    const uri = this.#options.foreign === undefined ? undefined : readUri(text);
    return (uri?.scheme === 'sip' || uri?.scheme === 'sips') && uri.user !== undefined ? uri : undefined;
  }

  async at(uri: SipUri, flow: Flow): Promise<Callee> {
    if (!this.#options.domain.serves(uri.host, flow.local.address)) return this.#elsewhere(uri, false);
    if (isGruu(uri)) {
      const phone = await this.#options.gruus.phoneAt(uri);
      const { fingerprint, name } = phone?.identity ?? {};
      const address = addressOf(uri);
      const party = { fingerprint, label: name ?? address };
      return { address, identity: phone?.identity, party, ...(phone && { chooses: phone.chooses }) };
    }
    const user = uri.user ?? '';
    const identity = user === '' ? undefined : await this.#options.overlay.lookup(dialledUser(user));
    const address = addressOf(uri);
    // A fingerprint means one identity, whatever domain it is dialled at.
    if (identity === undefined && this.#options.foreign !== undefined && isFingerprint(user))
      return this.#elsewhere(uri, true);
    return {
      address,
      identity,
      party: { fingerprint: identity?.fingerprint, label: identity?.name ?? address },
    };
  }

  /** Who is meant at another operator; nobody, when that one does not say so or is not to be believed. */
  async #elsewhere(uri: SipUri, anywhere: boolean): Promise<Callee> {
    const address = addressOf(uri);
    const found = await this.#options.foreign?.find(uri, anywhere);
    if (found === undefined || found instanceof FederationError)
      return { address, identity: undefined, party: { fingerprint: undefined, label: address } };
    const identity = foreignRecord(found);
    const party = { fingerprint: identity.fingerprint, label: identity.name };
    return { address, identity, party, elsewhere: found };
  }
}

import { declaredIntent } from '../intent/index.ts';
import type { IdentityRecord, Binding as OverlayBinding } from '../overlay/index.ts';
import { type AppendResult, addressParty, type RecordId } from '../provenance/index.ts';
import type { Binding, Flow, RegistrationChange, SipRequest } from '../sip/index.ts';
import type { Audit } from './audit.ts';
import { circumstances, peerCircumstances } from './context.ts';
import { tokenReference } from './intent-gate.ts';
import type { Principal } from './principal.ts';

/** What of a registration's record is erased with its identity. */
const owns = { erin: ['identity', 'fingerprint', 'contact', 'to', 'claimed'], eromheen: peerCircumstances };

export interface RegistrationRecordsOptions {
  readonly audit: Audit;
  /** The gateway's name in its bindings. */
  readonly node: string;
  /** How often a refresh that changes nothing leaves a record, counted from when the binding was made; 0: always. */
  readonly refreshIntervalMs: number;
}

export interface RegistrationRefusal {
  readonly reason: string;
  readonly fault: string;
  readonly claimed: string | undefined;
}

type Registrant = Principal & { kind: 'identity' };

/** The newest record of an identity, and of which run of its phone; a removal tells of none that is there. */
interface Newest {
  readonly id: RecordId;
  readonly binds: boolean;
  readonly phoneNode: string | undefined;
}

/** What registrations leave in the log. */
export class RegistrationRecords {
  readonly #options: RegistrationRecordsOptions;
  readonly #newest = new Map<string, Newest>();

  constructor(options: RegistrationRecordsOptions) {
    this.#options = options;
  }

  /** The record on which calls to and from an identity rest: that of its newest registration. */
  newestOf(fingerprint: string): RecordId | undefined {
    return this.#newest.get(fingerprint)?.id;
  }

  /** Undefined for a refresh that says nothing that is not on record yet. */
  changed(
    request: SipRequest,
    flow: Flow,
    principal: Registrant,
    change: RegistrationChange,
  ): AppendResult | undefined {
    if (this.#isKnown(principal, change)) return undefined;
    const { identity, assurance, intent } = principal;
    const { fingerprint } = identity;
    const before = this.newestOf(fingerprint);
    const written = this.#options.audit.append({
      erin: {
        event: `registration.${change.kind}`,
        identity: identity.name,
        fingerprint,
        contact: change.binding.contactUri,
        expires: new Date(change.binding.expiresAtMs).toISOString(),
        assurance,
        ...(intent?.node !== undefined && { phoneNode: intent.node }),
      },
      eraan: {
        parents: before === undefined ? [] : [before],
        tokens: intent === undefined ? [] : [tokenReference(intent.bytes)],
      },
      eromheen: circumstances(request, flow),
      erachter: intent?.intent.text || declaredIntent(request, identity.name),
      parties: [{ fingerprint, role: 'subject', owns }],
    });
    const newest = { id: written.id, binds: change.kind !== 'removed', phoneNode: intent?.node };
    this.#newest.set(fingerprint, newest);
    written.durability.whenSettled((outcome) => {
      if (outcome !== 'durable' && this.#newest.get(fingerprint) === newest) this.#newest.delete(fingerprint);
    });
    return written;
  }

  refused(
    request: SipRequest,
    flow: Flow,
    { reason, fault, claimed }: RegistrationRefusal,
    identity?: IdentityRecord,
  ): AppendResult {
    return this.#options.audit.append({
      erin: {
        event: 'registration.refusal',
        to: request.to.uri,
        claimed: claimed ?? 'nobody',
        reason,
        fault,
      },
      eraan: { parents: [] },
      eromheen: circumstances(request, flow),
      erachter:
        identity === undefined
          ? 'refuse a registration that proved nothing'
          : `refuse a registration of ${identity.name}`,
      parties: [
        {
          fingerprint: identity?.fingerprint ?? addressParty(claimed ?? request.to.uri),
          role: 'subject',
          owns,
        },
      ],
    });
  }

  /**
   * Whether the log says already that this phone is there, by this way and as sure as now: of a registration it tells
   * the beginning, each move and the end, and once in a while that it goes on.
   */
  #isKnown({ identity, assurance, intent }: Registrant, change: RegistrationChange): boolean {
    if (change.kind !== 'refreshed') return false;
    const { binding, previous } = change;
    const newest = this.#newest.get(identity.fingerprint);
    // What another gateway, or this one before its start, has put on record is no parent that calls here could name.
    if (newest === undefined || !newest.binds || newest.phoneNode !== intent?.node) return false;
    if (!isStored(previous) || previous.node !== this.#options.node || previous.assurance !== assurance)
      return false;
    return isSameWay(binding, previous) && !this.#isDue(binding, previous);
  }

  /** Counted from the binding's beginning, so that nothing has to be remembered. */
  #isDue({ registeredAtMs, refreshedAtMs }: Binding, previous: Binding): boolean {
    const { refreshIntervalMs } = this.#options;
    if (refreshIntervalMs === 0) return true;
    const intervalsUntil = (ms: number): number => Math.floor((ms - registeredAtMs) / refreshIntervalMs);
    return intervalsUntil(refreshedAtMs) !== intervalsUntil(previous.refreshedAtMs);
  }
}

function isSameWay(binding: Binding, previous: Binding): boolean {
  return (
    binding.flowId === previous.flowId &&
    binding.contactUri === previous.contactUri &&
    binding.userAgent === previous.userAgent &&
    binding.path.length === previous.path.length &&
    binding.path.every((uri, at) => uri === previous.path[at])
  );
}

/** A binding that comes from the overlay says more than the registrar asks of it. */
function isStored(binding: Binding): binding is Binding & Pick<OverlayBinding, 'node' | 'assurance'> {
  return 'node' in binding && 'assurance' in binding;
}

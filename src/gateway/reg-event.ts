import { type Clock, type Random, randomId } from '../base/index.ts';
import { addressOf, declaredIntent, dialledUser } from '../intent/index.ts';
import type { IdentityOverlay, IdentityRecord } from '../overlay/index.ts';
import {
  type ClientTransactionHandler,
  createResponse,
  type Flow,
  type Gruus,
  headerField,
  headerItems,
  ownText,
  type ProxyAddress,
  type ServerTransaction,
  type SipRequest,
  statelessTag,
} from '../sip/index.ts';
import type { Audit } from './audit.ts';
import type { Authentication } from './authentication.ts';
import type { Authorisation } from './authorisation.ts';
import { circumstances, peerCircumstances } from './context.ts';
import { RegState } from './reg-state.ts';
import { notifierDialog, type RegDialog, RegSubscription } from './reg-subscription.ts';
import type { ServedDomain } from './served-domain.ts';
import {
  checkSubscribe,
  grantedSeconds,
  isRegEvent,
  type SubscribeRefusal,
  uriOf,
} from './subscribe-check.ts';
import { type Watch, WatchTable } from './watch-table.ts';

/** The user part of our end of every such dialog. */
const contactUser = 'reg-event';

export interface RegEventLimits {
  readonly maxSubscriptions: number;
  readonly maxSubscriptionsPerIdentity: number;
  readonly minNotifyIntervalMs: number;
}

export const defaultRegEventLimits: RegEventLimits = {
  maxSubscriptions: 10_000,
  maxSubscriptionsPerIdentity: 20,
  minNotifyIntervalMs: 5_000,
};

export interface RegEventOptions {
  readonly authentication: Authentication;
  readonly authorisation: Authorisation;
  readonly overlay: IdentityOverlay;
  readonly domain: ServedDomain;
  readonly audit: Audit;
  readonly gruus: Gruus | undefined;
  /** Names of identities that may watch any other; each may watch itself. */
  readonly watchers: readonly string[];
  readonly limits: RegEventLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly addressFor: (flow: Flow) => ProxyAddress;
  readonly send: (request: SipRequest, flow: Flow, handler: ClientTransactionHandler) => unknown;
}

/** The notifier of the reg event package (RFC 3680, RFC 6665): tells phones and watchers who is registered where. */
export class RegEvent {
  readonly #options: RegEventOptions;
  readonly #watches = new WatchTable();

  constructor(options: RegEventOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#watches.size;
  }

  /** Whether a request is a SUBSCRIBE for this package and this gateway; all others are the proxy's. */
  takes(request: SipRequest, flow: Flow): boolean {
    if (request.method !== 'SUBSCRIBE' || !isRegEvent(request)) return false;
    if (request.to.tag !== undefined) return this.#watches.find(dialogKey(request)) !== undefined;
    const { domain } = this.#options;
    const { address } = flow.local;
    const isOwn = (route: string): boolean => domain.ownUri(uriOf(route), address) !== undefined;
    return (
      domain.ownUri(request.uri, address)?.user !== undefined && headerItems(request, 'route').every(isOwn)
    );
  }

  async answer(transaction: ServerTransaction): Promise<void> {
    const { request } = transaction;
    const refusal = await this.#answer(transaction, this.#watches.find(dialogKey(request)));
    if (refusal === undefined) return;
    const { status, reason, headers = [] } = refusal;
    const toTag = statelessTag(request);
    transaction.decline(createResponse(request, status, reason, { toTag, headers }));
  }

  /** Bindings of an identity have come, gone or been refreshed; `unregistered` are ids that a REGISTER ended. */
  changed(fingerprint: string, unregistered: readonly string[] = []): void {
    for (const { subscription } of this.#watches.of(fingerprint)) subscription.changed(unregistered);
  }

  /** Subscriptions end with the flow that they came on: the watcher subscribes anew on its next. */
  onFlowClosed(flow: Flow): void {
    for (const { subscription } of this.#watches.on(flow.id)) subscription.drop();
  }

  close(): void {
    for (const { subscription } of this.#watches.all()) subscription.drop();
  }

  async #answer(
    transaction: ServerTransaction,
    known: Watch | undefined,
  ): Promise<SubscribeRefusal | undefined> {
    const { authentication, authorisation, overlay, domain, watchers } = this.#options;
    const { request, flow } = transaction;
    const malformed = checkSubscribe(request);
    if (malformed !== undefined) return malformed;
    const result = await authentication.identify(request, flow);
    if (result.kind !== 'proved') return result;
    const { principal } = result;
    if (principal.kind !== 'identity') return { status: 403 };
    const { identity } = principal;
    const from = domain.ownUri(request.from.uri, flow.local.address)?.user;
    if (from === undefined || !overlay.isAddressOf(identity, dialledUser(from)))
      return { status: 403, reason: 'From Is Not An Address Of The Watcher' };
    const target = addressOf(request.to.uri);
    const forbidden = await authorisation.refusal({ principal, action: 'subscribe', target });
    if (forbidden !== undefined) return { status: 403, reason: forbidden };
    if (known !== undefined) return this.#extend(transaction, known, identity);

    const uri = domain.ownUri(request.uri, flow.local.address);
    const watched = uri?.user === undefined ? undefined : await overlay.lookup(dialledUser(uri.user));
    const self = watched?.fingerprint === identity.fingerprint;
    // The same answer whether the other exists or not.
    if (!self && !watchers.includes(identity.name)) return { status: 403, reason: 'Not A Watcher' };
    if (uri?.user === undefined || watched === undefined) return { status: 404 };
    if (!this.#hasRoom(identity)) return unavailable;
    if (!self && !(await this.#recorded(request, flow, identity, watched))) return unavailable;
    this.#begin(transaction, identity, watched, `sip:${ownText(uri.user)}@${ownText(uri.host)}`);
    return undefined;
  }

  #extend(
    transaction: ServerTransaction,
    watch: Watch,
    identity: IdentityRecord,
  ): SubscribeRefusal | undefined {
    const { request, flow } = transaction;
    if (identity.fingerprint !== watch.watcher) return { status: 403 };
    // RFC 3261 §12.2.2
    if (request.cseq.number <= watch.lastCSeq) return { status: 500, reason: 'CSeq Out of Order' };
    watch.lastCSeq = request.cseq.number;
    this.#watches.move(watch, flow.id);
    this.#accept(transaction, watch.subscription.dialog, undefined);
    watch.subscription.extend(grantedSeconds(request), flow);
    return undefined;
  }

  #begin(
    transaction: ServerTransaction,
    watcher: IdentityRecord,
    watched: IdentityRecord,
    aor: string,
  ): void {
    const { clock, random, limits, addressFor, send, overlay, gruus } = this.#options;
    const { request, flow } = transaction;
    const toTag = randomId(random, 64);
    const dialog = notifierDialog(request, toTag, this.#contactFor(flow));
    const subscription = new RegSubscription({
      dialog,
      flow,
      clock,
      random,
      addressFor,
      send,
      minNotifyIntervalMs: limits.minNotifyIntervalMs,
      state: new RegState({ overlay, clock, gruus, fingerprint: watched.fingerprint, aor }),
      onEnd: () => this.#watches.remove(watch),
    });
    const watch: Watch = {
      key: keyOf(dialog.callId, toTag),
      subscription,
      watcher: watcher.fingerprint,
      watched: watched.fingerprint,
      flowId: flow.id,
      lastCSeq: request.cseq.number,
    };
    this.#watches.add(watch);
    this.#accept(transaction, dialog, toTag);
    subscription.extend(grantedSeconds(request), flow);
  }

  #accept(transaction: ServerTransaction, { contact }: RegDialog, toTag: string | undefined): void {
    const { request } = transaction;
    const headers = [
      // RFC 3261 §12.1.1
      ...request.headers.filter(({ name }) => name === 'record-route'),
      headerField('Contact', contact),
      headerField('Expires', String(grantedSeconds(request))),
    ];
    transaction.respond(createResponse(request, 200, undefined, { toTag, headers }));
  }

  /** Our end of the dialog, as the watcher reaches it. */
  #contactFor(flow: Flow): string {
    const { host, port } = this.#options.addressFor(flow);
    const transport = flow.transport === 'wss' ? 'ws' : flow.transport;
    const hostPort = port === undefined ? host : `${host}:${port}`;
    return `<sip:${contactUser}@${hostPort}${transport === 'udp' ? '' : `;transport=${transport}`}>`;
  }

  #hasRoom(watcher: IdentityRecord): boolean {
    const { maxSubscriptions, maxSubscriptionsPerIdentity } = this.#options.limits;
    return (
      this.#watches.size < maxSubscriptions &&
      this.#watches.countBy(watcher.fingerprint) < maxSubscriptionsPerIdentity
    );
  }

  /** Who watches somebody else leaves a record with both of them: true once it is durable, false when it cannot be. */
  #recorded(
    request: SipRequest,
    flow: Flow,
    watcher: IdentityRecord,
    watched: IdentityRecord,
  ): Promise<boolean> {
    const { audit } = this.#options;
    const { durability } = audit.append({
      erin: {
        event: 'registration.watch',
        identity: watched.name,
        fingerprint: watched.fingerprint,
        watcher: watcher.name,
      },
      eraan: { parents: [] },
      eromheen: circumstances(request, flow),
      erachter: declaredIntent(request, watched.name),
      parties: [
        {
          fingerprint: watcher.fingerprint,
          role: 'caller',
          owns: { erin: ['watcher'], eromheen: peerCircumstances },
        },
        {
          fingerprint: watched.fingerprint,
          role: 'subject',
          owns: { erin: ['identity', 'fingerprint'] },
        },
      ],
    });
    return new Promise((resolve) => durability.whenSettled((state) => resolve(state === 'durable')));
  }
}

const unavailable: SubscribeRefusal = { status: 503, headers: [headerField('Retry-After', '5')] };

/** Our side of the dialog that a request names. */
function dialogKey({ callId, to }: SipRequest): string {
  return keyOf(callId, to.tag ?? '');
}

function keyOf(callId: string, ownTag: string): string {
  return `${callId}\n${ownTag}`;
}

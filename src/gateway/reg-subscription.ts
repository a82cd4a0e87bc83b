import { type Clock, type Random, randomId, type Timer } from '../base/index.ts';
import {
  type ClientTransactionHandler,
  createRequest,
  createVia,
  type Flow,
  headerField,
  headerItems,
  headerValue,
  ownText,
  type ProxyAddress,
  reginfoType,
  type SipRequest,
  type SipResponse,
} from '../sip/index.ts';
import { uriOf } from './subscribe-check.ts';

/** Our side of the dialog that a SUBSCRIBE has made (RFC 6665 §4.4.1). Its texts are copies, none keeps the request. */
export interface RegDialog {
  readonly callId: string;
  /** From and To of the NOTIFY: the SUBSCRIBE's To with our tag, and its From. */
  readonly local: string;
  readonly remote: string;
  readonly remoteTarget: string;
  readonly routes: readonly string[];
  /** As the watcher wrote it: an `id` belongs to it. */
  readonly event: string;
  readonly contact: string;
}

/** The notifier's dialog after a SUBSCRIBE that was checked (RFC 3261 §12.1.1). */
export function notifierDialog(request: SipRequest, toTag: string, contact: string): RegDialog {
  return {
    callId: ownText(request.callId),
    local: `${ownText(headerValue(request, 'to') ?? '')};tag=${toTag}`,
    remote: ownText(headerValue(request, 'from') ?? ''),
    remoteTarget: ownText(uriOf(headerValue(request, 'contact'))),
    routes: headerItems(request, 'record-route').map(ownText),
    event: ownText(headerValue(request, 'event') ?? 'reg'),
    contact,
  };
}

/** Why a subscription is over (RFC 6665 §4.1.3). */
export type EndReason = 'timeout' | 'noresource' | 'deactivated';

export interface RegSubscriptionOptions {
  readonly dialog: RegDialog;
  readonly flow: Flow;
  readonly clock: Clock;
  readonly random: Random;
  /** RFC 3680 §4.10: changes that come faster go together into one NOTIFY. */
  readonly minNotifyIntervalMs: number;
  readonly addressFor: (flow: Flow) => ProxyAddress;
  readonly send: (request: SipRequest, flow: Flow, handler: ClientTransactionHandler) => unknown;
  readonly state: {
    /** The state now, and once what has ended since the last one; the ids are of those that a REGISTER ended. */
    document(unregistered: ReadonlySet<string>): Promise<Uint8Array>;
  };
  /** Called once; nothing is sent afterwards. */
  readonly onEnd: () => void;
}

/** One watcher's subscription: sends a NOTIFY at once, one for each change and one at its end, one at a time. */
export class RegSubscription {
  readonly dialog: RegDialog;
  readonly #options: RegSubscriptionOptions;
  #flow: Flow;
  #cseq = 0;
  #expiresAtMs = 0;
  #expiry: Timer | undefined;
  #pause: Timer | undefined;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  /** Ids of bindings that a REGISTER has ended since the last document. */
  #unregistered = new Set<string>();
  #sending = false;
  /** Something has changed that no NOTIFY says yet. */
  #due = false;
  #closing: EndReason | undefined;
  #closed = false;

  constructor(options: RegSubscriptionOptions) {
    this.dialog = options.dialog;
    this.#options = options;
    this.#flow = options.flow;
  }

  /** RFC 6665 §4.2.1.4: every SUBSCRIBE is followed by a NOTIFY at once. 0 seconds end it. */
  extend(seconds: number, flow: Flow): void {
    this.#flow = flow;
    this.#expiry?.cancel();
    if (seconds === 0) {
      this.end('timeout');
      return;
    }
    this.#expiresAtMs = this.#options.clock.now() + seconds * 1000;
    this.#expiry = this.#options.clock.setTimer(seconds * 1000, () => this.end('timeout'));
    this.#due = true;
    this.#notify();
  }

  changed(unregistered: readonly string[]): void {
    for (const id of unregistered) this.#unregistered.add(id);
    this.#due = true;
    const { clock, minNotifyIntervalMs } = this.#options;
    const waitMs = this.#sentAtMs + minNotifyIntervalMs - clock.monotonicMs();
    if (waitMs <= 0) this.#notify();
    else this.#pause ??= clock.setTimer(waitMs, () => this.#notify());
  }

  /** Ends it with a last NOTIFY. */
  end(reason: EndReason): void {
    if (this.#closing !== undefined) return;
    this.#closing = reason;
    this.#expiry?.cancel();
    this.#due = true;
    this.#notify();
  }

  /** Ends it without a word: nobody is there to hear one. */
  drop(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#expiry?.cancel();
    this.#pause?.cancel();
    this.#options.onEnd();
  }

  #notify(): void {
    this.#pause?.cancel();
    this.#pause = undefined;
    if (this.#closed || this.#sending || !this.#due) return;
    this.#sending = true;
    this.#due = false;
    this.#sentAtMs = this.#options.clock.monotonicMs();
    const closing = this.#closing;
    const unregistered = this.#unregistered;
    this.#unregistered = new Set();
    this.#options.state
      .document(unregistered)
      .then((document) => this.#send(document, closing))
      // Neither a store that is gone nor a dialog that cannot be written is a reason to try again.
      .catch(() => this.drop());
  }

  #send(document: Uint8Array, closing: EndReason | undefined): void {
    if (this.#closed) return;
    const { send } = this.#options;
    send(this.#request(document, closing), this.#flow, {
      onResponse: (response) => this.#answered(response, closing),
      onTimeout: () => this.drop(),
      onTransportError: () => this.drop(),
    });
  }

  #answered({ status }: SipResponse, closing: EndReason | undefined): void {
    if (status < 200) return;
    this.#sending = false;
    // RFC 6665 §4.2.2: whoever refuses a NOTIFY has no use for more.
    if (closing !== undefined || status >= 300) this.drop();
    else this.#notify();
  }

  #request(document: Uint8Array, closing: EndReason | undefined): SipRequest {
    const { dialog, clock, random, addressFor } = this.#options;
    const { transport, reliable } = this.#flow;
    const { host, port } = addressFor(this.#flow);
    const leftSeconds = Math.max(0, Math.round((this.#expiresAtMs - clock.now()) / 1000));
    const state = closing === undefined ? `active;expires=${leftSeconds}` : `terminated;reason=${closing}`;
    return createRequest({
      method: 'NOTIFY',
      uri: dialog.remoteTarget,
      via: createVia({ transport, host, port, branch: randomId(random, 80), rport: !reliable }),
      from: dialog.local,
      to: dialog.remote,
      callId: dialog.callId,
      cseq: ++this.#cseq,
      headers: [
        ...dialog.routes.map((route) => headerField('Route', route)),
        headerField('Contact', dialog.contact),
        headerField('Event', dialog.event),
        headerField('Subscription-State', state),
      ],
      body: document,
      contentType: reginfoType,
    });
  }
}

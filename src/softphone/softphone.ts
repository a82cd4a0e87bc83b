import { randomUUID } from 'node:crypto';
import { type Core, type Invitation, Inviter, type Message, type URI, UserAgent } from 'sip.js';
import { type Clock, type Random, systemClock, systemRandom, type Timer } from '../base/index.ts';
import { type Attribute, type IdentityToken, parseName, type SigningKey } from '../tokens/index.ts';
import { dialledAddress } from './dialled.ts';
import { IntentSigner } from './intent-signer.ts';
import { startPhoneNode } from './phone-node.ts';
import { Registration } from './registration.ts';
import { type Call, SessionCall } from './session-call.ts';
import { signingTransport } from './signing-transport.ts';
import { silentSessions } from './silent-session.ts';

/** Longest waiting time before a further attempt to connect: doubles from the first to the last value. */
const firstReconnectMs = 250;
const lastReconnectMs = 15_000;
const connectionTimeoutSeconds = 5;
/** How long each step of `close()` waits for the gateway. */
const closePatienceMs = 2_000;
const defaultRegistrationSeconds = 300;

export interface SoftphoneOptions {
  readonly token: IdentityToken;
  readonly key: SigningKey;
  /** The gateway's WebSocket address: `ws://host:port` or `wss://host:port`. */
  readonly gateway: string;
  /** The SIP domain; by default the host of `gateway`. */
  readonly domain?: string;
  /** What the people who are called see beside the address. */
  readonly displayName?: string;
  readonly registrationSeconds?: number;
  /** A UUID that names this phone among the identity's phones (RFC 5626 §4.1); by default new for each object. */
  readonly instanceId?: string;
  /** The identity's, of every level: what belongs on a call or message is shown there. */
  readonly attributes?: readonly Attribute[];
  /** Of this run of the program; where both have one, the identity's counts. */
  readonly nodeAttributes?: readonly Attribute[];
  /** From the identity's file: it takes the place of an earlier one. */
  readonly succession?: Uint8Array | undefined;
  /** Keeps the receipts of the gateway's log; without it the phone asks for none. */
  readonly receipts?: ReceiptKeeper;
  readonly onEvent: (event: SoftphoneEvent) => void;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Where a phone keeps what the gateway's log has promised it. */
export interface ReceiptKeeper {
  /** The number of the newest record of this identity whose receipt is kept; 0 for none. */
  readonly newest: number;
  /** Takes in the text of one delivery; false when it cannot be kept, so that it is sent again later. */
  keep(text: string): boolean;
}

/** The media type of a delivery; what it holds is for the keeper to read. */
const receiptsMediaType = 'application/vnd.tibet.receipts';

export type SoftphoneEvent =
  | { readonly kind: 'connected' | 'registered' | 'unregistered' }
  | { readonly kind: 'disconnected'; readonly retryMs: number }
  /** Without `retryMs` the phone will not try again by itself on this connection. */
  | {
      readonly kind: 'refused';
      readonly status: number;
      readonly reason: string;
      readonly retryMs: number | undefined;
    }
  | { readonly kind: 'incoming' | 'calling' | 'answered'; readonly call: Call }
  | { readonly kind: 'progress'; readonly call: Call; readonly status: number }
  | {
      readonly kind: 'ended';
      readonly call: Call;
      readonly status: number | undefined;
      readonly reason: string;
    };

/** A SIP.js user agent that speaks for one identity: signs what it sends, comes back by itself after a lost connection. */
export class Softphone {
  readonly #options: SoftphoneOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #domain: string;
  readonly #agent: UserAgent;
  readonly #registration: Registration;
  readonly #signer: IntentSigner;
  readonly #calls = new Set<SessionCall>();
  /** What was declared for each call that was placed here, by Call-ID. */
  readonly #intents = new Map<string, string>();
  readonly #topics = new Map<string, string>();
  #reconnectMs = firstReconnectMs;
  #reconnect: Timer | undefined;
  #closing = false;

  /** Throws an Error when the gateway's address or the domain cannot be used. */
  constructor(options: SoftphoneOptions) {
    this.#options = options;
    const { subject, fingerprint } = options.token;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#domain = options.domain ?? new URL(options.gateway).hostname;
    this.#signer = new IntentSigner({
      token: options.token,
      key: options.key,
      clock: this.#clock,
      random: this.#random,
      declaredIntent: (callId) => this.#intents.get(callId),
      topic: (callId) => this.#topics.get(callId),
      attributes: options.attributes ?? [],
      node: startPhoneNode(options, options.nodeAttributes ?? [], this.#clock, this.#random),
      succession: options.succession,
    });
    this.#agent = new UserAgent({
      uri: this.#addressOf(parseName(subject) === undefined ? fingerprint : subject),
      displayName: options.displayName ?? '',
      instanceId: options.instanceId ?? randomUUID(),
      transportConstructor: signingTransport(this.#signer),
      transportOptions: {
        server: options.gateway,
        connectionTimeout: connectionTimeoutSeconds,
        traceSip: false,
      },
      sessionDescriptionHandlerFactory: silentSessions(),
      logBuiltinEnabled: false,
      userAgentString: 'tibet-sip phone',
      gracefulShutdown: false,
      delegate: {
        onConnect: () => this.#connected(),
        onDisconnect: () => this.#disconnected(),
        onInvite: (invitation) => this.#invited(invitation),
        onMessage: (message) => void this.#messaged(message).catch(() => {}),
      },
    });
    this.#registration = new Registration({
      agent: this.#agent,
      expiresSeconds: options.registrationSeconds ?? defaultRegistrationSeconds,
      clock: this.#clock,
      extraHeaders: () =>
        options.receipts === undefined ? [] : [`Receipts-After: ${options.receipts.newest}`],
      listener: {
        registered: () => {
          this.#reconnectMs = firstReconnectMs;
          options.onEvent({ kind: 'registered' });
        },
        refused: (status, reason, retryMs) => options.onEvent({ kind: 'refused', status, reason, retryMs }),
        unanswered: () => void this.#agent.transport.disconnect().catch(() => {}),
      },
    });
  }

  /** Connects and registers; keeps trying in the background when the gateway is not there yet. */
  async start(): Promise<void> {
    await this.#agent.start().catch(() => this.#disconnected());
  }

  /**
   * Calls `jis:bob`, `bob`, an extension, a fingerprint or a SIP address; resolves when the INVITE is on its way. The
   * callee sees a `topic` only as its hash: whoever has the same topic recognises it.
   */
  async call(target: string, declaredIntent?: string, topic?: string): Promise<Call> {
    const { onEvent } = this.#options;
    const inviter = new Inviter(this.#agent, this.#addressOf(target));
    const call = this.#track(new SessionCall(inviter, this.#listener));
    if (topic !== undefined) this.#topics.set(call.callId, topic);
    this.#intents.set(call.callId, declaredIntent || `voice call to ${target}`);
    onEvent({ kind: 'calling', call });
    const refused = ({ message }: Core.IncomingResponse): void =>
      call.refused(message.statusCode ?? 0, message.reasonPhrase ?? '');
    await inviter.invite({
      requestDelegate: {
        onProgress: ({ message }) => onEvent({ kind: 'progress', call, status: message.statusCode ?? 0 }),
        onRedirect: refused,
        onReject: refused,
      },
    });
    return call;
  }

  /** Ends all calls, unregisters and disconnects; takes some seconds at most when the gateway is gone. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#reconnect?.cancel();
    if (this.#agent.isConnected()) {
      await this.#patiently(Promise.allSettled([...this.#calls].map((call) => call.hangUp())));
      const removed = this.#registration.remove();
      await this.#patiently(removed.then(() => this.#options.onEvent({ kind: 'unregistered' })));
    }
    this.#registration.stop();
    await this.#patiently(this.#agent.transport.disconnect().catch(() => {}));
    await this.#agent.stop();
  }

  readonly #listener = {
    answered: (call: Call): void => this.#options.onEvent({ kind: 'answered', call }),
    ended: (call: Call, status: number | undefined, reason: string): void => {
      this.#intents.delete(call.callId);
      this.#topics.delete(call.callId);
      for (const tracked of this.#calls) if (tracked === call) this.#calls.delete(tracked);
      this.#options.onEvent({ kind: 'ended', call, status, reason });
    },
  };

  #connected(): void {
    this.#signer.reset();
    this.#options.onEvent({ kind: 'connected' });
    this.#registration.start();
  }

  #disconnected(): void {
    this.#registration.stop();
    for (const call of this.#calls) if (!call.established) call.abandon();
    if (this.#closing) return;
    // RFC 5626 §4.5: at random between half and the whole, so that a gateway's phones do not all come back at once.
    const share = 0.5 + (this.#random.bytes(1)[0] ?? 0) / 512;
    const retryMs = Math.round(this.#reconnectMs * share);
    this.#reconnectMs = Math.min(this.#reconnectMs * 2, lastReconnectMs);
    this.#reconnect?.cancel();
    this.#reconnect = this.#clock.setTimer(retryMs, () => {
      this.#agent.reconnect().catch(() => this.#disconnected());
    });
    this.#options.onEvent({ kind: 'disconnected', retryMs });
  }

  /** RFC 3428: only deliveries of receipts are taken; this phone shows no texts. */
  async #messaged(message: Message): Promise<void> {
    const { receipts } = this.#options;
    const type = message.request.getHeader('Content-Type')?.toLowerCase();
    if (receipts === undefined || type !== receiptsMediaType) await message.reject({ statusCode: 415 });
    else if (receipts.keep(message.request.body)) await message.accept();
    else await message.reject({ statusCode: 500 });
  }

  #invited(invitation: Invitation): void {
    const call = this.#track(new SessionCall(invitation, this.#listener));
    this.#options.onEvent({ kind: 'incoming', call });
  }

  #track(call: SessionCall): SessionCall {
    this.#calls.add(call);
    return call;
  }

  #addressOf(target: string): URI {
    const uri = UserAgent.makeURI(dialledAddress(target, this.#domain));
    if (uri === undefined) throw new Error(`${target} at ${this.#domain} is no SIP address`);
    return uri;
  }

  async #patiently(done: Promise<unknown>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(closePatienceMs, resolve);
    await Promise.race([done, promise]);
    timer.cancel();
  }
}

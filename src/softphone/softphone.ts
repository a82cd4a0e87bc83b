import { randomUUID } from 'node:crypto';
import { Invitation, Inviter, Registerer, type Session, SessionState, UserAgent } from 'sip.js';
import type { Clock, Random, Timer } from '../base/index.ts';
import { systemClock, systemRandom } from '../base/index.ts';
import { type IdentityToken, isFingerprint, type SigningKey, sipUserOf } from '../tokens/index.ts';
import { IntentSigner } from './intent-signer.ts';
import { signingTransport } from './signing-transport.ts';
import { silentSessions } from './silent-session.ts';

/** Waiting time before each further attempt to connect: doubles from the first to the last value. */
const firstReconnectMs = 250;
const lastReconnectMs = 15_000;

export interface SoftphoneOptions {
  readonly token: IdentityToken;
  readonly key: SigningKey;
  /** The gateway's WebSocket address: `ws://host:port` or `wss://host:port`. */
  readonly gateway: string;
  /** The SIP domain; by default the host of `gateway`. */
  readonly domain?: string;
  readonly registrationSeconds?: number;
  /** A UUID that names this phone among the identity's phones (RFC 5626 §4.1); by default new for each object. */
  readonly instanceId?: string;
  readonly onEvent: (event: SoftphoneEvent) => void;
  readonly clock?: Clock;
  readonly random?: Random;
}

export type SoftphoneEvent =
  | { readonly kind: 'connected' | 'registered' | 'unregistered' }
  | { readonly kind: 'disconnected'; readonly retryMs: number | undefined }
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string }
  | { readonly kind: 'incoming'; readonly call: Call }
  | { readonly kind: 'progress'; readonly call: Call; readonly status: number }
  | { readonly kind: 'answered'; readonly call: Call }
  | {
      readonly kind: 'ended';
      readonly call: Call;
      readonly status: number | undefined;
      readonly reason: string;
    };

/** One call of a softphone, whichever side began it. */
export interface Call {
  readonly direction: 'incoming' | 'outgoing';
  /** The other party's SIP address as its request or ours names it. */
  readonly remote: string;
  /** The SIP Call-ID. */
  readonly callId: string;
  /** The `Intent-Token` that came with an incoming INVITE. */
  readonly intentToken: string | undefined;
  answer(): Promise<void>;
  /** Ends the call in the way that its state asks for: CANCEL, 603 or BYE. */
  hangUp(): Promise<void>;
}

/** A SIP.js user agent that speaks for one identity: signs what it sends, comes back by itself after a lost connection. */
export class Softphone {
  readonly #options: SoftphoneOptions;
  readonly #clock: Clock;
  readonly #domain: string;
  readonly #agent: UserAgent;
  readonly #registerer: Registerer;
  readonly #signer: IntentSigner;
  readonly #calls = new Map<Session, Call>();
  #declaredIntent: string | undefined;
  #reconnectMs = firstReconnectMs;
  #reconnect: Timer | undefined;
  #closing = false;
  #nonceTried = false;

  constructor(options: SoftphoneOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#domain = options.domain ?? new URL(options.gateway).hostname;
    this.#signer = new IntentSigner({
      token: options.token,
      key: options.key,
      clock: this.#clock,
      random: options.random ?? systemRandom,
      declaredIntent: () => this.#declaredIntent,
    });
    const uri = UserAgent.makeURI(`sip:${userOf(options.token)}@${this.#domain}`);
    if (uri === undefined)
      throw new Error(`${options.token.subject} at ${this.#domain} makes no SIP address`);
    this.#agent = new UserAgent({
      uri,
      instanceId: options.instanceId ?? randomUUID(),
      transportConstructor: signingTransport(this.#signer),
      transportOptions: { server: options.gateway, connectionTimeout: 5 },
      sessionDescriptionHandlerFactory: silentSessions(),
      logBuiltinEnabled: false,
      userAgentString: 'tibet-sip phone',
      reconnectionAttempts: 0,
      gracefulShutdown: true,
      delegate: {
        onConnect: () => this.#connected(),
        onDisconnect: () => this.#disconnected(),
        onInvite: (invitation) => this.#invited(invitation),
      },
    });
    this.#registerer = new Registerer(this.#agent, {
      expires: options.registrationSeconds ?? 300,
      regId: 1,
      instanceId: this.#agent.instanceId,
    });
    this.#registerer.stateChange.addListener((state) => {
      if (state === 'Unregistered' && !this.#closing) this.#options.onEvent({ kind: 'unregistered' });
    });
  }

  /** Connects and registers; keeps trying in the background when the gateway is not there yet. */
  async start(): Promise<void> {
    await this.#agent.start().catch(() => this.#disconnected());
  }

  /** Calls `jis:bob`, `bob`, an extension, a fingerprint or a whole `sip:` address. */
  async call(target: string, declaredIntent?: string): Promise<Call> {
    const address = target.startsWith('sip:') ? target : `sip:${userPart(target)}@${this.#domain}`;
    const uri = UserAgent.makeURI(address);
    if (uri === undefined) throw new Error(`${target} is not an address that can be called`);
    const inviter = new Inviter(this.#agent, uri);
    const call = this.#track(inviter, 'outgoing', uri.toString(), inviter.request.callId, undefined);
    this.#declaredIntent = declaredIntent ?? `voice call to ${target}`;
    await inviter.invite({
      requestDelegate: {
        onProgress: ({ message }) =>
          this.#options.onEvent({ kind: 'progress', call, status: message.statusCode ?? 0 }),
        onReject: ({ message }) => this.#ended(inviter, message.statusCode, message.reasonPhrase ?? ''),
      },
    });
    return call;
  }

  /** Ends all calls, unregisters and disconnects. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#reconnect?.cancel();
    await Promise.allSettled([...this.#calls.values()].map((call) => call.hangUp()));
    if (this.#agent.isConnected()) await this.#unregister();
    await this.#agent.stop();
  }

  #unregister(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(2_000, resolve);
      const done = (): void => {
        timer.cancel();
        resolve();
      };
      this.#registerer.unregister({ requestDelegate: { onAccept: done, onReject: done } }).catch(done);
    });
  }

  #connected(): void {
    this.#reconnectMs = firstReconnectMs;
    this.#nonceTried = false;
    this.#signer.reset();
    this.#options.onEvent({ kind: 'connected' });
    this.#register();
  }

  #register(): void {
    const onReject = (
      message: { statusCode?: number | undefined; reasonPhrase?: string | undefined },
      nonce: boolean,
    ): void => {
      // The gateway offers a nonce when our clock or its restart made the token stale: sign again, once.
      if (nonce && !this.#nonceTried) {
        this.#nonceTried = true;
        this.#register();
        return;
      }
      this.#options.onEvent({
        kind: 'refused',
        status: message.statusCode ?? 0,
        reason: message.reasonPhrase ?? '',
      });
    };
    this.#registerer
      .register({
        requestDelegate: {
          // Not by the registerer's state: that stays Registered over a lost connection.
          onAccept: () => this.#options.onEvent({ kind: 'registered' }),
          onReject: ({ message }) => onReject(message, message.hasHeader('Intent-Nonce')),
        },
      })
      .catch((cause: unknown) =>
        this.#options.onEvent({ kind: 'refused', status: 0, reason: String(cause) }),
      );
  }

  #disconnected(): void {
    if (this.#closing) return;
    const retryMs = this.#reconnectMs;
    this.#reconnectMs = Math.min(retryMs * 2, lastReconnectMs);
    this.#options.onEvent({ kind: 'disconnected', retryMs });
    this.#reconnect?.cancel();
    this.#reconnect = this.#clock.setTimer(retryMs, () => {
      this.#agent.reconnect().catch(() => this.#disconnected());
    });
  }

  #invited(invitation: Invitation): void {
    const { request } = invitation;
    const remote = invitation.remoteIdentity.uri.toString();
    const call = this.#track(
      invitation,
      'incoming',
      remote,
      request.callId,
      request.getHeader('Intent-Token'),
    );
    invitation.delegate = {
      onCancel: () => this.#ended(invitation, 487, 'Request Terminated'),
    };
    this.#options.onEvent({ kind: 'incoming', call });
  }

  #track(
    session: Inviter | Invitation,
    direction: Call['direction'],
    remote: string,
    callId: string,
    intentToken: string | undefined,
  ): Call {
    const call: Call = {
      direction,
      remote,
      callId,
      intentToken,
      answer: async () => {
        if (session instanceof Invitation) await session.accept();
      },
      hangUp: () => hangUp(session),
    };
    this.#calls.set(session, call);
    session.stateChange.addListener((state) => {
      if (state === SessionState.Established) this.#options.onEvent({ kind: 'answered', call });
      if (state === SessionState.Terminated) this.#ended(session, undefined, 'call ended');
    });
    return call;
  }

  #ended(session: Session, status: number | undefined, reason: string): void {
    const call = this.#calls.get(session);
    if (call === undefined) return;
    this.#calls.delete(session);
    this.#options.onEvent({ kind: 'ended', call, status, reason });
  }
}

async function hangUp(session: Inviter | Invitation): Promise<void> {
  switch (session.state) {
    case SessionState.Initial:
    case SessionState.Establishing:
      await (session instanceof Invitation ? session.reject({ statusCode: 603 }) : session.cancel());
      return;
    case SessionState.Established:
      await session.bye();
      return;
    case SessionState.Terminating:
    case SessionState.Terminated:
      return;
  }
}

function userOf(token: IdentityToken): string {
  return sipUserOf(token.subject) ?? token.fingerprint;
}

function userPart(target: string): string {
  return isFingerprint(target) ? target : (sipUserOf(target) ?? encodeURIComponent(target));
}

import type { Core, UserAgent } from 'sip.js';
import type { Clock, Timer } from '../base/index.ts';

/** Part of the granted time after which the binding is refreshed. */
const refreshAfter = 0.8;
/** Waiting time before each further attempt after a failure of the gateway: doubles from the first to the last. */
const firstRetryMs = 1_000;
const lastRetryMs = 60_000;

export interface RegistrationListener {
  registered(): void;
  /** `retryMs` is undefined when trying again would be answered in the same way. */
  refused(status: number, reason: string, retryMs: number | undefined): void;
  /** No answer came: whatever the socket says, nobody is at the other end. */
  unanswered(): void;
}

export interface RegistrationOptions {
  readonly agent: UserAgent;
  readonly expiresSeconds: number;
  readonly clock: Clock;
  readonly listener: RegistrationListener;
  /** More header fields for each REGISTER, asked anew each time. */
  readonly extraHeaders?: () => readonly string[];
}

/**
 * Keeps one binding alive (RFC 3261 §10, RFC 5626 §4.2). In place of SIP.js's `Registerer`, which knows nothing of a
 * connection that is lost while it awaits a response, nor registers again once a refresh was refused.
 */
export class Registration {
  readonly #options: RegistrationOptions;
  /** One Call-ID and tag for all that this phone registers (RFC 3261 §10.2). */
  readonly #dialog: { readonly callId: string; readonly fromTag: string };
  #cseq = 0;
  #expiresSeconds: number;
  #pending: Core.OutgoingRegisterRequest | undefined;
  #timer: Timer | undefined;
  #retryMs = firstRetryMs;
  #nonceTried = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#expiresSeconds = options.expiresSeconds;
    const { agent } = options;
    const { aor } = agent.userAgentCore.configuration;
    const { callId, fromTag } = agent.userAgentCore.makeOutgoingRequestMessage('REGISTER', aor, aor, aor, {});
    this.#dialog = { callId, fromTag };
  }

  /** Registers on a connection that has just opened, and goes on refreshing. */
  start(): void {
    this.stop();
    this.#nonceTried = false;
    this.#register();
  }

  /** Forgets what is outstanding: the connection is gone, and the binding with it. */
  stop(): void {
    this.#timer?.cancel();
    this.#pending?.dispose();
    this.#pending = undefined;
  }

  /** Removes the binding; resolves when the gateway has answered, whatever the answer. */
  remove(): Promise<void> {
    this.stop();
    return new Promise((resolve) => {
      const done = (): void => resolve();
      this.#send(0, { onAccept: done, onRedirect: done, onReject: done });
    });
  }

  #register(): void {
    this.#send(this.#expiresSeconds, {
      onAccept: ({ message }) => this.#accepted(message),
      onRedirect: ({ message }) => this.#refused(message),
      onReject: ({ message }) => this.#refused(message),
    });
  }

  #accepted(message: Core.IncomingResponseMessage): void {
    this.#pending = undefined;
    this.#nonceTried = false;
    this.#retryMs = firstRetryMs;
    this.#after(this.#grantedSeconds(message) * refreshAfter * 1000);
    this.#options.listener.registered();
  }

  #refused(message: Core.IncomingResponseMessage): void {
    this.#pending = undefined;
    const status = message.statusCode ?? 0;
    const { listener, agent } = this.#options;
    // A transport error looks like a 503; the connection's end is reported apart.
    if (!agent.isConnected()) return;
    // RFC 3261 §8.1.3.1: what nobody has answered looks like a 408.
    if (status === 408) {
      listener.unanswered();
      return;
    }
    // The gateway offers a nonce when our clock or its restart made the token stale: sign again, once.
    if (message.hasHeader('Intent-Nonce') && !this.#nonceTried) {
      this.#nonceTried = true;
      this.#register();
      return;
    }
    const minExpires = Number(message.getHeader('Min-Expires'));
    if (status === 423 && minExpires > this.#expiresSeconds) {
      this.#expiresSeconds = minExpires;
      this.#register();
      return;
    }
    const retryMs = status >= 500 && status < 600 ? this.#nextRetryMs(message) : undefined;
    if (retryMs !== undefined) this.#after(retryMs);
    listener.refused(status, message.reasonPhrase ?? '', retryMs);
  }

  /** The gateway's Retry-After (RFC 3261 §20.33), else a time that grows. */
  #nextRetryMs(message: Core.IncomingResponseMessage): number {
    const ownMs = this.#retryMs;
    this.#retryMs = Math.min(ownMs * 2, lastRetryMs);
    const asked = Number.parseInt(message.getHeader('Retry-After') ?? '', 10);
    return Number.isNaN(asked) ? ownMs : Math.min(Math.max(asked * 1000, ownMs), lastRetryMs);
  }

  /** What the gateway has granted to our own contact; its user part is random and ours alone. */
  #grantedSeconds(message: Core.IncomingResponseMessage): number {
    const { user } = this.#options.agent.contact.uri;
    for (let index = 0; index < message.getHeaders('contact').length; index++) {
      const contact: unknown = message.parseHeader('contact', index);
      if (!isContact(contact) || contact.uri.user !== user) continue;
      const seconds = Number(contact.getParam('expires'));
      if (seconds > 0) return seconds;
    }
    return this.#expiresSeconds;
  }

  #after(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimer(delayMs, () => this.#register());
  }

  #send(expiresSeconds: number, delegate: Core.OutgoingRequestDelegate): void {
    const { agent } = this.#options;
    const core = agent.userAgentCore;
    const { aor } = core.configuration;
    const registrar = aor.clone();
    registrar.user = undefined;
    const contact = `${agent.contact.toString({ register: true })};reg-id=1;+sip.instance="<urn:uuid:${agent.instanceId}>";expires=${expiresSeconds}`;
    const request = core.makeOutgoingRequestMessage(
      'REGISTER',
      registrar,
      aor,
      aor,
      { ...this.#dialog, cseq: ++this.#cseq },
      [`Contact: ${contact}`, ...(this.#options.extraHeaders?.() ?? [])],
    );
    this.#pending = core.register(request, delegate);
  }
}

interface Contact {
  readonly uri: { readonly user?: string };
  getParam(name: string): unknown;
}

function isContact(value: unknown): value is Contact {
  return typeof value === 'object' && value !== null && 'uri' in value && 'getParam' in value;
}

import { Invitation, type Inviter, type Session, SessionState } from 'sip.js';

/** One call of a softphone, whichever side began it. */
export interface Call {
  readonly direction: 'incoming' | 'outgoing';
  /** The other party's SIP address as its request or ours names it. */
  readonly remote: string;
  /** The SIP Call-ID. */
  readonly callId: string;
  /** The `Intent-Token` that came with an incoming INVITE; nobody has verified it yet. */
  readonly intentToken: string | undefined;
  /** Rejects when the call is not one that rings here. */
  answer(): Promise<void>;
  /**
   * Ends the call in the way that its state asks for: CANCEL, a refusal with `status`, or BYE. Resolves when the other
   * side knows. By default the refusal is 603, which ends the call for the identity's other phones, too (RFC 3261
   * §21.6.2); 486 lets them go on ringing.
   */
  hangUp(status?: 486 | 603): Promise<void>;
}

export interface CallListener {
  answered(call: Call): void;
  /** Called once. `status` is the final response that ended a call before it was answered. */
  ended(call: Call, status: number | undefined, reason: string): void;
}

/** A call on a SIP.js session. */
export class SessionCall implements Call {
  readonly direction: Call['direction'];
  readonly remote: string;
  readonly callId: string;
  readonly intentToken: string | undefined;
  readonly #session: Inviter | Invitation;
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers();
  #outcome: { readonly status: number | undefined; readonly reason: string } | undefined;

  constructor(session: Inviter | Invitation, listener: CallListener) {
    this.#session = session;
    const incoming = session instanceof Invitation;
    this.direction = incoming ? 'incoming' : 'outgoing';
    this.remote = session.remoteIdentity.uri.toString();
    this.callId = session.request.callId;
    this.intentToken = incoming ? session.request.getHeader('Intent-Token') : undefined;
    session.delegate = {
      onBye: (bye) => {
        this.#outcome = { status: undefined, reason: 'hung up by the other side' };
        void bye.accept();
      },
      onCancel: () => {
        this.#outcome = { status: 487, reason: 'cancelled by the caller' };
      },
    };
    session.stateChange.addListener((state) => {
      if (state === SessionState.Established) listener.answered(this);
      // SIP.js shows the response that ended a call only after the state that it led to.
      if (state === SessionState.Terminated) queueMicrotask(this.#over.resolve);
    });
    void this.#over.promise.then(() => {
      const { status, reason } = this.#outcome ?? { status: undefined, reason: 'call ended' };
      listener.ended(this, status, reason);
    });
  }

  /** Whether it has been answered and not yet ended. */
  get established(): boolean {
    return this.#session.state === SessionState.Established;
  }

  /** Takes in the final response that refuses an outgoing call. */
  refused(status: number, reason: string): void {
    this.#outcome = { status, reason };
  }

  /** Ends, on this side only, a call whose connection was lost before it was answered: no response can reach it. */
  abandon(): void {
    this.#outcome = { status: undefined, reason: 'connection lost' };
    this.#over.resolve();
    const session = this.#session;
    const ended = session instanceof Invitation ? session.reject({ statusCode: 480 }) : session.cancel();
    // Nothing can be sent now; what matters is that a late answer meets a cancelled session.
    ended.catch(() => {});
  }

  async answer(): Promise<void> {
    if (!(this.#session instanceof Invitation)) throw new Error('this call was placed here');
    await this.#session.accept();
  }

  async hangUp(status: 486 | 603 = 603): Promise<void> {
    const session = this.#session;
    switch (session.state) {
      case SessionState.Initial:
      case SessionState.Establishing:
        await (session instanceof Invitation ? session.reject({ statusCode: status }) : session.cancel());
        break;
      case SessionState.Established:
        await bye(session);
        break;
      case SessionState.Terminating:
      case SessionState.Terminated:
        break;
    }
    await this.#over.promise;
  }
}

/** Resolves with the other side's answer to the BYE, or with the news that there is none. */
async function bye(session: Session): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = (): void => resolve();
  await session.bye({ requestDelegate: { onAccept: done, onRedirect: done, onReject: done } });
  await promise;
}

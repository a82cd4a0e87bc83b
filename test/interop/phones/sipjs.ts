import {
  type BodyAndContentType,
  type Core,
  Invitation,
  Inviter,
  type Referral,
  Registerer,
  RegistererState,
  type Session,
  type SessionDescriptionHandler,
  type SessionDescriptionHandlerOptions,
  SessionState,
  type URI,
  UserAgent,
} from 'sip.js';
import { SessionDescription, SilentPeerConnection } from '../../support/silent-peer-connection.ts';
import { until } from '../../support/until.ts';
import type { Phone, PhoneCall, PhoneOptions } from './phone.ts';
import { Reports } from './reports.ts';

/** Something that the library tells its application. */
interface SipJsReport {
  readonly kind: 'invited' | 'transferred' | 'established' | 'acknowledged';
  readonly session: Session;
}

/** SIP.js as it comes, with what a person types into it. */
export async function startSipJs(options: PhoneOptions): Promise<SipJsPhone> {
  const phone = new SipJsPhone(options);
  await phone.start();
  return phone;
}

export class SipJsPhone implements Phone {
  readonly agent: UserAgent;
  readonly #domain: string;
  readonly #registerer: Registerer;
  readonly #reports: Reports<SipJsReport>;

  constructor({ user, password, domain, transport, port }: PhoneOptions) {
    this.#domain = domain;
    this.#reports = new Reports(`SIP.js of ${user}`, ({ kind }) => kind);
    this.agent = new UserAgent({
      uri: this.addressOf(user),
      authorizationUsername: user,
      authorizationPassword: password,
      logBuiltinEnabled: false,
      sessionDescriptionHandlerFactory: () => new SilentDescriptions(),
      transportOptions: { server: `${transport}://127.0.0.1:${port}` },
      delegate: {
        onInvite: (session) => this.#reports.arrive({ kind: 'invited', session: this.#observe(session) }),
      },
    });
    this.#registerer = new Registerer(this.agent);
  }

  async start(): Promise<void> {
    await this.agent.start();
    await this.register();
  }

  /** What SIP.js leaves to its application after a loss: it connects again and registers anew. */
  async comeBack(): Promise<void> {
    await until('SIP.js has noticed', () => !this.agent.isConnected());
    await this.agent.reconnect();
    await this.register();
  }

  async register(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const refused = ({ message }: Core.IncomingResponse): void =>
      reject(new Error(`REGISTER: ${message.statusCode}`));
    await this.#registerer.register({ requestDelegate: { onAccept: () => resolve(), onReject: refused } });
    await promise;
  }

  async call(user: string): Promise<SipJsCall> {
    const session = this.#observe(new Inviter(this.agent, this.addressOf(user)));
    await session.invite();
    return this.#up(session);
  }

  async answer(): Promise<SipJsCall> {
    const { session } = await this.next('invited');
    if (!(session instanceof Invitation)) throw new Error('not an invitation');
    await session.accept();
    await this.next('acknowledged', session);
    return this.#up(session);
  }

  async followTransfer(): Promise<SipJsCall> {
    const { session } = await this.next('transferred');
    return this.#up(session);
  }

  async close(): Promise<void> {
    await this.#registerer.unregister();
    await until('SIP.js is unregistered', () => this.#registerer.state === RegistererState.Unregistered);
    await this.agent.stop();
  }

  addressOf(user: string): URI {
    const uri = UserAgent.makeURI(`sip:${user}@${this.#domain}`);
    if (uri === undefined) throw new Error(`no address: ${user}`);
    return uri;
  }

  async #up(session: Session): Promise<SipJsCall> {
    await this.next('established', session);
    return new SipJsCall(this, session);
  }

  next(kind: SipJsReport['kind'], session?: Session): Promise<SipJsReport> {
    return this.#reports.take(
      kind,
      (report) => report.kind === kind && (session === undefined || report.session === session),
    );
  }

  #observe<S extends Session>(session: S): S {
    let acknowledged = 0;
    session.delegate = {
      onRefer: (referral) => void this.#follow(referral),
      onAck: ({ request }) => {
        // It comes again with each 2xx that is sent again.
        if (request.cseq <= acknowledged) return;
        acknowledged = request.cseq;
        // A moment later the session takes the next offer; until then it would refuse it (RFC 6337 §4.3).
        setImmediate(() => this.#reports.arrive({ kind: 'acknowledged', session }));
      },
    };
    session.stateChange.addListener((state) => {
      if (state === SessionState.Established) this.#reports.arrive({ kind: 'established', session });
    });
    return session;
  }

  async #follow(referral: Referral): Promise<void> {
    await referral.accept();
    const session = this.#observe(referral.makeInviter());
    this.#reports.arrive({ kind: 'transferred', session });
    await session.invite();
  }
}

class SipJsCall implements PhoneCall {
  readonly session: Session;
  readonly ended: Promise<void>;
  readonly #phone: SipJsPhone;

  constructor(phone: SipJsPhone, session: Session) {
    this.#phone = phone;
    this.session = session;
    this.ended = new Promise((resolve) => {
      session.stateChange.addListener((state) => {
        if (state === SessionState.Terminated) resolve();
      });
    });
  }

  hold(): Promise<void> {
    return this.#offer(true);
  }

  resume(): Promise<void> {
    return this.#offer(false);
  }

  async held(): Promise<void> {
    await this.#phone.next('acknowledged', this.session);
  }

  async released(): Promise<void> {
    await this.#phone.next('acknowledged', this.session);
  }

  async transfer(user: string): Promise<void> {
    await this.session.refer(this.#phone.addressOf(user));
  }

  async transferTo(consultation: PhoneCall): Promise<void> {
    if (!(consultation instanceof SipJsCall)) throw new Error('a call of another phone');
    await this.session.refer(consultation.session);
  }

  async hangUp(): Promise<void> {
    if (this.session.state === SessionState.Established) await this.session.bye();
    await this.ended;
  }

  async #offer(hold: boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sessionDescriptionHandlerOptions: HoldOptions = { hold };
    const requestDelegate = {
      onAccept: () => resolve(),
      onReject: ({ message }: Core.IncomingResponse) => reject(new Error(`refused: ${message.statusCode}`)),
    };
    const options = { sessionDescriptionHandlerOptions, requestDelegate };
    await this.session.invite(options);
    await promise;
  }
}

/** As in SIP.js's own handler for browsers. */
interface HoldOptions extends SessionDescriptionHandlerOptions {
  readonly hold?: boolean;
}

/** Its door for media that is not WebRTC's: offers and answers of a connection that carries nothing. */
class SilentDescriptions implements SessionDescriptionHandler {
  readonly #connection = new SilentPeerConnection();

  async getDescription(options: HoldOptions = {}): Promise<BodyAndContentType> {
    const answering = this.#connection.signalingState === 'have-remote-offer';
    const made = await (answering ? this.#connection.createAnswer() : this.#connection.createOffer());
    const sdp = options.hold ? made.sdp.replace('a=sendrecv', 'a=sendonly') : made.sdp;
    await this.#connection.setLocalDescription(new SessionDescription({ type: made.type, sdp }));
    return { body: sdp, contentType: 'application/sdp' };
  }

  hasDescription(contentType: string): boolean {
    return contentType === 'application/sdp';
  }

  async setDescription(sdp: string): Promise<void> {
    const type = this.#connection.signalingState === 'have-local-offer' ? 'answer' : 'offer';
    await this.#connection.setRemoteDescription(new SessionDescription({ type, sdp }));
  }

  sendDtmf(): boolean {
    return false;
  }

  close(): void {
    this.#connection.close();
  }
}

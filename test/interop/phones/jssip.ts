import jssip, { type UA } from 'jssip';
import { SessionDescription, SilentPeerConnection } from '../../support/silent-peer-connection.ts';
import { until } from '../../support/until.ts';
import type { Phone, PhoneCall, PhoneOptions } from './phone.ts';
import { Reports } from './reports.ts';

type Session = ReturnType<UA['call']>;

interface JsSipReport {
  readonly kind: 'invited' | 'transferred' | 'hold' | 'unhold';
  readonly session: Session;
}

/** What JsSIP's events bring: it types them with what only browsers have. */
interface NewSession {
  readonly originator: 'local' | 'remote';
  readonly session: Session;
}

/** No microphone is asked for. A new object each time: JsSIP adds headers to it. */
const silent = (): object => ({ mediaConstraints: { audio: false, video: false } });

/** JsSIP as it comes, with what a person types into it. */
export async function startJsSip(options: PhoneOptions): Promise<Phone> {
  // JsSIP runs in browsers, and looks for their WebRTC where they have it.
  Object.assign(globalThis, {
    window: globalThis,
    RTCPeerConnection: SilentPeerConnection,
    RTCSessionDescription: SessionDescription,
  });
  const { user, password, domain, transport, port } = options;
  const agent = new jssip.UA({
    sockets: [new jssip.WebSocketInterface(`${transport}://127.0.0.1:${port}`)],
    uri: `sip:${user}@${domain}`,
    password,
  });
  const phone = new JsSipPhone(agent, options);
  agent.start();
  await until('JsSIP is registered', () => agent.isRegistered());
  return phone;
}

class JsSipPhone implements Phone {
  readonly #agent: UA;
  readonly #domain: string;
  readonly #reports: Reports<JsSipReport>;

  constructor(agent: UA, { user, domain }: PhoneOptions) {
    this.#agent = agent;
    this.#domain = domain;
    this.#reports = new Reports(`JsSIP of ${user}`, ({ kind }) => kind);
    agent.on('newRTCSession', ({ originator, session }: NewSession) => {
      if (originator === 'remote') this.#reports.arrive({ kind: 'invited', session });
      for (const change of ['hold', 'unhold'] as const)
        session.on(change, (event) => {
          if (String(event.originator) === 'remote') this.#reports.arrive({ kind: change, session });
        });
      session.on('refer', ({ accept }) => {
        accept((made: Session) => this.#reports.arrive({ kind: 'transferred', session: made }), silent());
      });
    });
  }

  call(user: string): Promise<PhoneCall> {
    return this.#up(this.#agent.call(this.addressOf(user), silent()));
  }

  async answer(): Promise<PhoneCall> {
    const { session } = await this.next('invited');
    session.answer(silent());
    return this.#up(session);
  }

  async followTransfer(): Promise<PhoneCall> {
    const { session } = await this.next('transferred');
    return this.#up(session);
  }

  async close(): Promise<void> {
    this.#agent.stop();
    await until('JsSIP has left', () => !this.#agent.isRegistered());
  }

  addressOf(user: string): string {
    return `sip:${user}@${this.#domain}`;
  }

  next(kind: JsSipReport['kind'], session?: Session): Promise<JsSipReport> {
    return this.#reports.take(
      kind,
      (report) => report.kind === kind && (session === undefined || report.session === session),
    );
  }

  async #up(session: Session): Promise<JsSipCall> {
    await until('the call is up', () => session.isEstablished());
    return new JsSipCall(this, session);
  }
}

class JsSipCall implements PhoneCall {
  readonly session: Session;
  readonly ended: Promise<void>;
  readonly #phone: JsSipPhone;

  constructor(phone: JsSipPhone, session: Session) {
    this.#phone = phone;
    this.session = session;
    this.ended = new Promise((resolve) => session.on('ended', () => resolve()));
  }

  hold(): Promise<void> {
    return this.#change((done) => this.session.hold({}, done));
  }

  resume(): Promise<void> {
    return this.#change((done) => this.session.unhold({}, done));
  }

  async held(): Promise<void> {
    await this.#phone.next('hold', this.session);
  }

  async released(): Promise<void> {
    await this.#phone.next('unhold', this.session);
  }

  async transfer(user: string): Promise<void> {
    this.session.refer(this.#phone.addressOf(user));
  }

  async transferTo(consultation: PhoneCall): Promise<void> {
    if (!(consultation instanceof JsSipCall)) throw new Error('a call of another phone');
    const { session } = consultation;
    this.session.refer(session.remote_identity.uri.toString(), { replaces: session });
  }

  async hangUp(): Promise<void> {
    if (!this.session.isEnded()) this.session.terminate();
    await this.ended;
  }

  async #change(start: (done: () => void) => boolean): Promise<void> {
    await until('it may offer again', () => this.session.isReadyToReOffer());
    await new Promise<void>((resolve, reject) => {
      if (!start(resolve)) reject(new Error('JsSIP refuses'));
    });
  }
}

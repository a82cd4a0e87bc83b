// A phone in a web page for tests: SIP.js as it comes, with the browser's own microphone, WebRTC and loudspeaker. Each
// request is signed by the `sign` that the test gives the page.
import {
  type Invitation,
  Inviter,
  Registerer,
  RegistererState,
  type Session,
  SessionState,
  UserAgent,
  Web,
} from 'sip.js';

declare const sign: (message: string) => Promise<string>;

interface PhoneSettings {
  readonly user: string;
  readonly domain: string;
  /** `wss://192.0.2.10:5443` */
  readonly server: string;
}

class SigningTransport extends Web.Transport {
  override async send(message: string): Promise<void> {
    await super.send(message.startsWith('SIP/2.0 ') ? message : await sign(message));
  }
}

/** What makes speech better would take a tone for noise. */
const microphone = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const descriptions = { constraints: { audio: microphone as unknown as boolean, video: false } };
const analysedSamples = 8_192;

class BrowserPhone {
  readonly #agent: UserAgent;
  readonly #registerer: Registerer;
  readonly #domain: string;
  #session: Session | undefined;
  #analyser: AnalyserNode | undefined;
  #incoming: PromiseWithResolvers<Invitation> = Promise.withResolvers();

  constructor({ user, domain, server }: PhoneSettings) {
    this.#domain = domain;
    this.#agent = new UserAgent({
      uri: this.#addressOf(user),
      transportConstructor: SigningTransport,
      transportOptions: { server },
      sessionDescriptionHandlerFactoryOptions: { ...descriptions, iceGatheringTimeout: 500 },
      logBuiltinEnabled: false,
      delegate: { onInvite: (invitation) => this.#incoming.resolve(invitation) },
    });
    this.#registerer = new Registerer(this.#agent);
  }

  async register(): Promise<void> {
    await this.#agent.start();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#registerer.stateChange.addListener((state) => {
      if (state === RegistererState.Registered) resolve();
    });
    await this.#registerer.register();
    await promise;
  }

  /** Resolves when the call is answered. */
  async call(user: string): Promise<void> {
    const inviter = new Inviter(this.#agent, this.#addressOf(user), {
      sessionDescriptionHandlerOptions: descriptions,
    });
    const established = this.#follow(inviter);
    await inviter.invite();
    await established;
  }

  async answer(): Promise<void> {
    const invitation = await this.#incoming.promise;
    this.#incoming = Promise.withResolvers();
    const established = this.#follow(invitation);
    await invitation.accept({ sessionDescriptionHandlerOptions: descriptions });
    await established;
  }

  async hangUp(): Promise<void> {
    const session = this.#session;
    if (session?.state !== SessionState.Established) return;
    const ended = reaches(session, SessionState.Terminated);
    await session.bye();
    await ended;
  }

  /** The newest piece of what comes out of the loudspeaker. */
  hear(): { readonly samplesPerSecond: number; readonly samples: readonly number[] } {
    if (this.#analyser === undefined) return { samplesPerSecond: 0, samples: [] };
    const samples = new Float32Array(this.#analyser.fftSize);
    this.#analyser.getFloatTimeDomainData(samples);
    return { samplesPerSecond: this.#analyser.context.sampleRate, samples: [...samples] };
  }

  /** The fingerprint of its own certificate. */
  fingerprint(): string {
    const sdp = this.#connection().localDescription?.sdp ?? '';
    return (
      sdp
        .split('\n')
        .find((line) => line.startsWith('a=fingerprint:'))
        ?.trim() ?? ''
    );
  }

  /** What the other side has described. */
  described(): string {
    return this.#connection().remoteDescription?.sdp ?? '';
  }

  async #follow(session: Session): Promise<void> {
    this.#session = session;
    await reaches(session, SessionState.Established);
    this.#listen();
  }

  #listen(): void {
    const handler = this.#session?.sessionDescriptionHandler;
    if (!(handler instanceof Web.SessionDescriptionHandler)) throw new Error('no media');
    // Without an element that plays it, Chromium gives Web Audio nothing of a remote stream.
    const loudspeaker = new Audio();
    loudspeaker.srcObject = handler.remoteMediaStream;
    loudspeaker.muted = true;
    void loudspeaker.play();
    const context = new AudioContext();
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = analysedSamples;
    context.createMediaStreamSource(handler.remoteMediaStream).connect(this.#analyser);
  }

  #connection(): RTCPeerConnection {
    const handler = this.#session?.sessionDescriptionHandler;
    if (!(handler instanceof Web.SessionDescriptionHandler) || handler.peerConnection === undefined)
      throw new Error('no call');
    return handler.peerConnection;
  }

  #addressOf(user: string): NonNullable<ReturnType<typeof UserAgent.makeURI>> {
    const uri = UserAgent.makeURI(`sip:${user}@${this.#domain}`);
    if (uri === undefined) throw new Error(`no address: ${user}`);
    return uri;
  }
}

function reaches(session: Session, wanted: SessionState): Promise<void> {
  return new Promise((resolve, reject) => {
    session.stateChange.addListener((state) => {
      if (state === wanted) resolve();
      else if (state === SessionState.Terminated) reject(new Error('the call has ended'));
    });
  });
}

Object.assign(globalThis, { startPhone: (settings: PhoneSettings) => new BrowserPhone(settings) });

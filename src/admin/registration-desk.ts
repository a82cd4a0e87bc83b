import type { Challenge, Device, EndpointOptions, IdentityOverlay, Registration } from '../overlay/index.ts';
import { decodeIdentityToken } from '../tokens/index.ts';

/** Devices between the question and their answer; each is forgotten when its challenge ends. */
const maxWaiting = 1_000;

interface Answer {
  readonly signature: Uint8Array;
  readonly record: Uint8Array;
}

interface Waiting {
  readonly answer: (answer: Answer) => void;
  readonly registration: Promise<Registration>;
}

/** Registers a device with a key of its own in two requests: it is asked to prove the key, then it answers and signs. */
export class RegistrationDesk {
  readonly #overlay: IdentityOverlay;
  readonly #waiting = new Map<string, Waiting>();

  constructor(overlay: IdentityOverlay) {
    this.#overlay = overlay;
  }

  /** Undefined when too many devices are waiting. Rejects with OverlayError or TokenError. */
  async begin(token: Uint8Array, endpoint: EndpointOptions): Promise<Challenge | undefined> {
    if (this.#waiting.size >= maxWaiting) return undefined;
    const { subject, fingerprint } = decodeIdentityToken(token);
    const asked = Promise.withResolvers<Challenge>();
    const answered = Promise.withResolvers<Answer>();
    const device: Device = {
      token,
      prove: async (challenge) => {
        asked.resolve(challenge);
        return (await answered.promise).signature;
      },
      signEndpoint: async () => (await answered.promise).record,
    };
    const registration = this.#overlay.register(subject, endpoint, device);
    registration.catch(asked.reject);
    const challenge = await asked.promise;
    this.#waiting.set(challenge.nonce, { answer: answered.resolve, registration });
    const forget = (): void => {
      this.#waiting.delete(challenge.nonce);
      // Nobody can reach it for another question.
      this.#overlay.detachProver(fingerprint);
    };
    registration.then(forget, forget);
    return challenge;
  }

  /** Undefined for a question that is not open. Rejects with OverlayError. */
  async finish(nonce: string, answer: Answer): Promise<Registration | undefined> {
    const waiting = this.#waiting.get(nonce);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(nonce);
    waiting.answer(answer);
    return waiting.registration;
  }
}

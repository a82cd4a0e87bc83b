import { randomBytes } from 'node:crypto';
import {
  calleeHash,
  createIdentityToken,
  createIntentToken,
  generateSigningKey,
  type SeededSigningKey,
} from '../../../src/tokens/index.ts';
import { authorization, field, message, newBranch, newCallId } from './sip-text.ts';
import type { Switchboard } from './switchboard.ts';
import type { Wire } from './wire.ts';

export const domain = 'localhost';
const expiresSeconds = 3_600;

/** Who registers: by password, where the server asks for one, or by its own key. */
export interface Account {
  readonly name: string;
  readonly password: string;
}

interface RegisterOptions {
  readonly account: Account;
  readonly cseq: number;
  readonly callId: string;
  readonly tag: string;
  readonly wire: Wire;
}

/** REGISTER, and once more with digest when it is challenged; true when it was taken. */
export function register(board: Switchboard, wire: Wire, account: Account): Promise<boolean> {
  const options = { account, callId: newCallId(), tag: newBranch(), wire };
  return new Promise((resolve) => {
    const onFinal = (text: string, status: number): void => {
      if (status !== 401) {
        resolve(status === 200);
        return;
      }
      const challenge = field(text, 'WWW-Authenticate');
      const proof = authorization(challenge, account, 'REGISTER', `sip:${domain}`);
      const again = registerText({ ...options, cseq: 2 }, [`Authorization: ${proof}`]);
      board.send({ text: again, wire, onFinal: (_, last) => resolve(last === 200) });
    };
    board.send({ text: registerText({ ...options, cseq: 1 }, []), wire, onFinal });
  });
}

/** A device that holds its own key, and registers in one round trip. */
export class KeyPhone {
  readonly #key: SeededSigningKey = generateSigningKey();
  readonly #identity: { readonly bytes: Uint8Array; readonly fingerprint: string };
  readonly #account: Account;
  readonly #callId: string = newCallId();
  readonly #tag: string = newBranch();
  #cseq = 0;

  constructor(name: string) {
    this.#account = { name, password: '' };
    const now = Math.floor(Date.now() / 1_000);
    this.#identity = createIdentityToken({
      key: this.#key,
      subject: `jis:${name}`,
      notBefore: now - 60,
      expires: now + 86_400,
      now,
    });
  }

  /** The first one introduces the identity. */
  register(board: Switchboard, wire: Wire): Promise<boolean> {
    const cseq = ++this.#cseq;
    const { name } = this.#account;
    const options = { account: this.#account, cseq, callId: this.#callId, tag: this.#tag, wire };
    const now = Math.floor(Date.now() / 1_000);
    const salt = randomBytes(16);
    const address = `sip:${name}@${domain}`;
    const token = createIntentToken({
      signer: { key: this.#key, fingerprint: this.#identity.fingerprint },
      audience: domain,
      iat: now,
      exp: now + 60,
      cti: randomBytes(16),
      request: {
        method: 'REGISTER',
        fromUri: address,
        fromTag: this.#tag,
        toUri: address,
        toTag: undefined,
        callId: this.#callId,
        cseq,
        contact: contactOf(options),
        dtlsFingerprints: [],
      },
      callee: { salt, hash: calleeHash(`${name}@${domain}`, salt) },
      intent: { code: 'register', text: 'take part' },
      parents: [],
      assurance: 3,
      ...(cseq === 1 ? { identityToken: this.#identity.bytes } : {}),
    });
    return new Promise((resolve) => {
      const text = registerText(options, [`Intent-Token: ${token}`]);
      board.send({ text, wire, onFinal: (_, status) => resolve(status === 200) });
    });
  }
}

function registerText(options: RegisterOptions, proof: readonly string[]): string {
  const { account, cseq, callId, tag, wire } = options;
  const address = `<sip:${account.name}@${domain}>`;
  return message(`REGISTER sip:${domain} SIP/2.0`, [
    `Via: SIP/2.0/${wire.transport.toUpperCase()} ${wire.address}:${wire.port};branch=${newBranch()};rport`,
    'Max-Forwards: 70',
    `From: ${address};tag=${tag}`,
    `To: ${address}`,
    `Call-ID: ${callId}`,
    `CSeq: ${cseq} REGISTER`,
    `Contact: ${contactOf(options)}`,
    `Expires: ${expiresSeconds}`,
    ...proof,
  ]);
}

/** Where the phone really is: Kamailio finds the connection by it. */
function contactOf({ account, wire: { transport, address, port } }: RegisterOptions): string {
  return `<sip:${account.name}@${address}:${port};transport=${transport}>`;
}

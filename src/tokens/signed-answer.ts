import { encodeCbor } from './cbor-encoder.ts';
import { type SigningKey, verifySignature } from './keys.ts';

/** Put to another party over whatever connection there is; the nonce keeps an old answer from serving again. */
export interface Question {
  /** What kind of question this is: also the signature's context. */
  readonly context: string;
  readonly about: readonly Uint8Array[];
  readonly nonce: Uint8Array;
}

export interface SignedAnswer {
  readonly answer: 'yes' | 'no';
  /** Seconds: how long the answer may be remembered. */
  readonly until: number;
  readonly signature: Uint8Array;
}

/** Carries a question to its addressee; rejects when that fails. The answer is checked by whoever asks. */
export type Ask = (question: Question, signal: AbortSignal) => Promise<SignedAnswer>;

export type AnswerVerdict = 'yes' | 'no' | 'expired' | 'forged' | 'unreachable';

export interface AskOptions {
  readonly ask: Ask;
  /** 16 random bytes. */
  readonly nonce: Uint8Array;
  /** Seconds. */
  readonly now: number;
  /** Ends the waiting; whoever asks sets the deadline. */
  readonly signal: AbortSignal;
}

export const questionNonceBytes = 16;

export function signAnswer(
  key: SigningKey,
  question: Question,
  answer: 'yes' | 'no',
  until: number,
): SignedAnswer {
  return { answer, until, signature: key.sign(toBeSigned(question, answer, until)) };
}

/** Fails closed: whatever goes wrong on the way is `unreachable`. Never rejects. */
export async function askSigned(
  question: Question,
  publicKey: Uint8Array,
  { ask, now, signal }: AskOptions,
): Promise<AnswerVerdict> {
  let reply: SignedAnswer;
  try {
    reply = await abortable(ask(question, signal), signal);
  } catch {
    return 'unreachable';
  }
  if (!verifySignature(publicKey, toBeSigned(question, reply.answer, reply.until), reply.signature))
    return 'forged';
  return now >= reply.until ? 'expired' : reply.answer;
}

function toBeSigned({ context, about, nonce }: Question, answer: string, until: number): Uint8Array {
  return encodeCbor([context, about, nonce, answer, until]);
}

/** The promise, or a rejection as soon as the signal fires: a transport that ignores the signal must not hang us. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new Error('aborted'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

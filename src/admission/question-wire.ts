import { decodeBase64Url, encodeBase64Url } from '../base/index.ts';
import { type Question, questionNonceBytes, type SignedAnswer, signatureBytes } from '../tokens/index.ts';

/** A question as it travels: JSON, byte strings in base64url. `claim` comes along when somebody else is to check it. */
export interface WireQuestion {
  readonly context: string;
  readonly about: readonly string[];
  readonly nonce: string;
  readonly claim?: string;
}

/** Of a question's body; a claim has 1,024 bytes at most. */
export const maxQuestionBytes = 4_096;
export const maxAnswerBytes = 1_024;
const maxContext = 64;
const maxAbout = 2;

export function questionBody({ context, about, nonce }: Question, claim?: Uint8Array): string {
  const wire: WireQuestion = {
    context,
    about: about.map(encodeBase64Url),
    nonce: encodeBase64Url(nonce),
    ...(claim && { claim: encodeBase64Url(claim) }),
  };
  return JSON.stringify(wire);
}

/** Undefined for what is no question; it comes from the network. */
export function readQuestion(
  body: unknown,
): { question: Question; claim: Uint8Array | undefined } | undefined {
  if (!isRecord(body)) return undefined;
  const { context, about, nonce, claim } = body;
  if (typeof context !== 'string' || context.length > maxContext) return undefined;
  if (!Array.isArray(about) || about.length === 0 || about.length > maxAbout) return undefined;
  const topics = about.map(bytesOf).filter((topic) => topic?.length === 32);
  const nonceBytes = bytesOf(nonce);
  if (topics.length !== about.length || nonceBytes?.length !== questionNonceBytes) return undefined;
  return {
    question: { context, about: topics.filter((topic) => topic !== undefined), nonce: nonceBytes },
    claim: claim === undefined ? undefined : bytesOf(claim),
  };
}

export function answerBody({ answer, until, signature }: SignedAnswer): string {
  return JSON.stringify({ answer, until, signature: encodeBase64Url(signature) });
}

/** Undefined for what is no answer; nobody has checked its signature yet. */
export function readAnswer(body: unknown): SignedAnswer | undefined {
  if (!isRecord(body)) return undefined;
  const { answer, until } = body;
  const signature = bytesOf(body['signature']);
  if ((answer !== 'yes' && answer !== 'no') || signature?.length !== signatureBytes) return undefined;
  if (typeof until !== 'number' || !Number.isSafeInteger(until) || until < 0) return undefined;
  return { answer, until, signature };
}

function bytesOf(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' ? decodeBase64Url(value) : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

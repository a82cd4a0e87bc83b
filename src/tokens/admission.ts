import type { Attribute } from './attributes.ts';
import { checkValidity, type IdentityToken } from './identity-token.ts';

/** Who wants to do what: `invite` to `jis:bob`, `register` at a flow. */
export interface AdmissionRequest {
  readonly token: IdentityToken;
  readonly action: string;
  readonly target: string;
  /** Seconds. */
  readonly now: number;
  /** How sure it is that the request is the identity's own, 0 to 3. */
  readonly assurance?: number;
  /** What the identity shows, on its token and on this request. */
  readonly attributes?: readonly Attribute[];
}

export type AdmissionVerdict =
  | 'admitted'
  | 'not-valid'
  | 'not-authenticated'
  | 'not-authorised'
  | 'not-accounted';

/** Only `true` agrees; a refusal may say why. */
export type HookAnswer = boolean | { readonly refused: string };

/** What a deployment decides. Called in this order; a later hook only after the earlier ones have agreed. */
export interface AdmissionHooks {
  /** Is this who it says it is? */
  authenticate(request: AdmissionRequest): HookAnswer | Promise<HookAnswer>;
  /** May it do this? */
  authorise(request: AdmissionRequest): HookAnswer | Promise<HookAnswer>;
  /** Takes note of every verdict, refusals included; what cannot be accounted for is not admitted. */
  account(request: AdmissionRequest, verdict: AdmissionVerdict): void | Promise<void>;
}

/** What holds until a deployment says otherwise: nobody is admitted. */
export const denyAll: AdmissionHooks = {
  authenticate: () => false,
  authorise: () => false,
  account: () => {},
};

export interface Decision {
  readonly verdict: AdmissionVerdict;
  /** What the hook that refused has said. */
  readonly reason: string | undefined;
}

/** Fails closed: a hook that throws refuses. Never rejects. */
export async function admit(
  request: AdmissionRequest,
  hooks: AdmissionHooks = denyAll,
): Promise<AdmissionVerdict> {
  return (await admission(request, hooks)).verdict;
}

/** The same with the reason of a refusal. */
export async function admission(
  request: AdmissionRequest,
  hooks: AdmissionHooks = denyAll,
): Promise<Decision> {
  const decision = await decide(request, hooks);
  try {
    await hooks.account(request, decision.verdict);
  } catch {
    return decision.verdict === 'admitted' ? { verdict: 'not-accounted', reason: undefined } : decision;
  }
  return decision;
}

async function decide(request: AdmissionRequest, hooks: AdmissionHooks): Promise<Decision> {
  if (checkValidity(request.token, request.now) !== 'valid')
    return { verdict: 'not-valid', reason: undefined };
  const proved = await ask(() => hooks.authenticate(request));
  if (proved !== true) return { verdict: 'not-authenticated', reason: reasonOf(proved) };
  const allowed = await ask(() => hooks.authorise(request));
  return allowed === true
    ? { verdict: 'admitted', reason: undefined }
    : { verdict: 'not-authorised', reason: reasonOf(allowed) };
}

async function ask(hook: () => HookAnswer | Promise<HookAnswer>): Promise<HookAnswer> {
  try {
    return await hook();
  } catch {
    return false;
  }
}

function reasonOf(answer: HookAnswer): string | undefined {
  return typeof answer === 'object' ? answer.refused : undefined;
}

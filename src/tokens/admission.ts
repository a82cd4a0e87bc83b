import { checkValidity, type IdentityToken } from './identity-token.ts';

/** Who wants to do what: `invite` to `jis:bob`, `register` at a flow. */
export interface AdmissionRequest {
  readonly token: IdentityToken;
  readonly action: string;
  readonly target: string;
  /** Seconds. */
  readonly now: number;
}

export type AdmissionVerdict =
  | 'admitted'
  | 'not-valid'
  | 'not-authenticated'
  | 'not-authorised'
  | 'not-accounted';

/** What a deployment decides. Called in this order; a later hook only after the earlier ones have agreed. */
export interface AdmissionHooks {
  /** Is this who it says it is? */
  authenticate(request: AdmissionRequest): boolean | Promise<boolean>;
  /** May it do this? */
  authorise(request: AdmissionRequest): boolean | Promise<boolean>;
  /** Takes note of every verdict, refusals included; what cannot be accounted for is not admitted. */
  account(request: AdmissionRequest, verdict: AdmissionVerdict): void | Promise<void>;
}

/** What holds until a deployment says otherwise: nobody is admitted. */
export const denyAll: AdmissionHooks = {
  authenticate: () => false,
  authorise: () => false,
  account: () => {},
};

/** Fails closed: a hook that throws refuses. Never rejects. */
export async function admit(
  request: AdmissionRequest,
  hooks: AdmissionHooks = denyAll,
): Promise<AdmissionVerdict> {
  const verdict = await decide(request, hooks);
  try {
    await hooks.account(request, verdict);
  } catch {
    return verdict === 'admitted' ? 'not-accounted' : verdict;
  }
  return verdict;
}

async function decide(request: AdmissionRequest, hooks: AdmissionHooks): Promise<AdmissionVerdict> {
  if (checkValidity(request.token, request.now) !== 'valid') return 'not-valid';
  if (!(await agrees(() => hooks.authenticate(request)))) return 'not-authenticated';
  return (await agrees(() => hooks.authorise(request))) ? 'admitted' : 'not-authorised';
}

async function agrees(hook: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return (await hook()) === true;
  } catch {
    return false;
  }
}

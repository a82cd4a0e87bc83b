import { createHmac } from 'node:crypto';
import type { HookName, HooksConfig } from '../config/index.ts';
import type { AdmissionHooks, AdmissionRequest, AdmissionVerdict, HookAnswer } from '../tokens/index.ts';
import { shownClaims } from './claims.ts';
import { limitedText } from './vouching-client.ts';

export const hookSignatureHeader = 'tibet-signature';
const maxAnswerBytes = 4_096;

/**
 * Hooks that an HTTP service answers: `{"allow": true}`, or `{"allow": false, "reason": "..."}`. Anything else, a
 * status other than 200 included, refuses. What it is not asked is left to the gateway.
 */
export function httpHooks(options: HooksConfig): Partial<AdmissionHooks> {
  const asks = (name: HookName): boolean => options.ask.includes(name);
  const decide =
    (name: HookName) =>
    async (request: AdmissionRequest): Promise<HookAnswer> =>
      readVerdict(JSON.parse(await post(options, name, request)));
  return {
    ...(asks('authenticate') && { authenticate: decide('authenticate') }),
    ...(asks('authorise') && { authorise: decide('authorise') }),
    ...(asks('account') && {
      account: async (request: AdmissionRequest, verdict: AdmissionVerdict): Promise<void> => {
        await post(options, 'account', request, verdict);
      },
    }),
  };
}

/** Two sets of hooks as one: both have to agree, and both take note. */
export function bothHooks(
  one: Partial<AdmissionHooks>,
  two: Partial<AdmissionHooks>,
): Partial<AdmissionHooks> {
  const decide = (name: 'authenticate' | 'authorise'): Partial<AdmissionHooks> => {
    const [first, second] = [one[name], two[name]];
    if (first === undefined || second === undefined) return { [name]: first ?? second };
    return {
      [name]: async (request: AdmissionRequest) => {
        const answer = await first(request);
        return answer === true ? second(request) : answer;
      },
    };
  };
  return {
    ...(one.authenticate || two.authenticate ? decide('authenticate') : {}),
    ...(one.authorise || two.authorise ? decide('authorise') : {}),
    ...(one.account || two.account
      ? {
          account: async (request, verdict) => {
            await one.account?.(request, verdict);
            await two.account?.(request, verdict);
          },
        }
      : {}),
  };
}

async function post(
  { url, timeoutMs, secret }: HooksConfig,
  hook: HookName,
  request: AdmissionRequest,
  verdict?: AdmissionVerdict,
): Promise<string> {
  const body = JSON.stringify({ hook, ...describe(request), ...(verdict && { verdict }) });
  const signature = secret && createHmac('sha256', secret).update(body).digest('hex');
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(signature && { [hookSignatureHeader]: `sha256=${signature}` }),
    },
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`);
  return limitedText(response, maxAnswerBytes);
}

function readVerdict(answer: unknown): HookAnswer {
  if (typeof answer !== 'object' || answer === null || !('allow' in answer)) return false;
  if (answer.allow === true) return true;
  return 'reason' in answer && typeof answer.reason === 'string' ? { refused: answer.reason } : false;
}

/** What a service is told; claims are the caller's own showing, not yet checked by anybody. */
function describe({ token, action, target, now, assurance, attributes }: AdmissionRequest): object {
  const { fingerprint, subject, realm, expires, issuerProof, issuer } = token;
  return {
    action,
    target,
    at: now,
    assurance,
    identity: { fingerprint, name: subject, realm, parent: issuerProof && issuer, expires },
    claims: shownClaims(attributes ?? token.attributes).map((claim) => ({
      name: claim.name,
      value: claim.value instanceof Uint8Array ? Buffer.from(claim.value).toString('hex') : claim.value,
      issuer: claim.issuer,
      expires: claim.expires,
    })),
  };
}

import { type HeaderField, headerField, type RequestEdit, type SipRequest } from '../sip/index.ts';
import {
  bareIntentToken,
  carriesMore,
  decodeIdentityToken,
  decodeIntentToken,
  type IntentToken,
  TokenError,
} from '../tokens/index.ts';
import { intentTokenOf } from './intent-gate.ts';
import { fromWithoutVerstat, untrustedHeaders } from './untrusted-headers.ts';

const intentHeader = 'intent-token';

export interface ForwardedEditOptions {
  /** The gateway's own, which replaces one that nobody vouches for. */
  readonly token?: string | undefined;
  readonly add?: readonly HeaderField[];
  /** The token that came was not checked. */
  readonly dropsToken?: boolean;
  /** A peer is trusted with what it says of a caller. */
  readonly fromPeer?: boolean;
}

/**
 * What a request loses and gains on its way to the callee. A caller introduces itself to the gateway with more than
 * the callee is to know: the identity token of a pseudonym may name its parent and realm, a change of key its old one.
 * What the caller has signed stays as it is, byte for byte.
 */
export function forwardedEdit(
  request: SipRequest,
  { token, add = [], dropsToken = false, fromPeer = false }: ForwardedEditOptions = {},
): RequestEdit {
  const honest = fromPeer ? undefined : fromWithoutVerstat(request);
  const from = honest === undefined ? {} : { from: honest };
  const value = intentTokenOf(request);
  if (dropsToken && value !== undefined) return { remove: [...untrustedHeaders, intentHeader], add, ...from };
  const bare = token ?? (value !== undefined && carriesMore(value) ? bareValue(value) : undefined);
  if (bare === undefined) return { remove: untrustedHeaders, add, ...from };
  return {
    remove: [...untrustedHeaders, intentHeader],
    add: [...add, headerField('Intent-Token', bare)],
    ...from,
  };
}

/** Undefined for what may go on whole, or is no token at all. */
function bareValue(value: string): string | undefined {
  try {
    const intent = decodeIntentToken(value);
    return isPublic(intent) ? undefined : bareIntentToken(intent);
  } catch (error) {
    if (error instanceof TokenError) return undefined;
    throw error;
  }
}

function isPublic({ identityToken, succession, nodeProof }: IntentToken): boolean {
  if (succession !== undefined || nodeProof !== undefined) return false;
  if (identityToken === undefined) return true;
  const { issuerProof, realm } = decodeIdentityToken(identityToken);
  return issuerProof === undefined && realm === undefined;
}

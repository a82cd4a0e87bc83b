import { decodeBase64Url } from '../base/index.ts';
import type { Layer } from '../provenance/index.ts';
import type { SipRequest } from '../sip/index.ts';
import { bareIntentToken, type IdentityToken, type ShownCore, shownCore } from '../tokens/index.ts';
import { tokenReference } from './intent-gate.ts';
import type { Principal } from './principal.ts';

/** Identities whose core is kept: to take it out of the token again costs about as much as a digest. */
const maxRemembered = 1_000;

export interface SignedIntent {
  /** SHA-256 of the token as it came, and as it is kept where that is another one: base64url. */
  readonly tokens: readonly string[];
  /** For ERACHTER: what an auditor needs to check the signature without asking anybody. */
  readonly signed: Layer | undefined;
}

/** What the record of an attempt keeps of the token that declares its intent. */
export class SignedIntents {
  readonly #own: ShownCore;
  readonly #cores = new Map<string, ShownCore>();

  /** `gateway` is the identity that signs on behalf of others. */
  constructor(gateway: IdentityToken) {
    this.#own = shownCore(gateway.bytes);
  }

  /** `token` is the one that goes on to the callee, where the device has not signed. */
  of(request: SipRequest, caller: Principal, token: string | undefined): SignedIntent {
    const device = caller.kind === 'identity' ? caller.intent : undefined;
    const came = device?.bytes ?? (token === undefined ? undefined : decodeBase64Url(token));
    if (came === undefined) return { tokens: [], signed: undefined };
    const reference = tokenReference(came);
    const signer = this.#signer(caller);
    if (signer === undefined) return { tokens: [reference], signed: undefined };
    // What a phone introduces itself with is not for those who read the call's record.
    const kept =
      device && device.sign1.unprotectedMap.size > 0 ? decodeBase64Url(bareIntentToken(device)) : came;
    if (kept === undefined) return { tokens: [reference], signed: undefined };
    const leg = [request.from.tag ?? '', request.cseq.number];
    return {
      tokens: kept === came ? [reference] : [reference, tokenReference(kept)],
      signed: { token: kept, signer, leg },
    };
  }

  /** Undefined for the identity of another gateway. */
  #signer(caller: Principal): ShownCore | undefined {
    if (caller.kind !== 'identity' || caller.intent === undefined)
      return caller.via === undefined ? this.#own : undefined;
    const { fingerprint, token } = caller.identity;
    let core = this.#cores.get(fingerprint);
    if (core === undefined) {
      core = shownCore(token);
      if (this.#cores.size >= maxRemembered) this.#cores.clear();
      this.#cores.set(fingerprint, core);
    }
    return core;
  }
}

import type { PeerConfig } from '../../config/index.ts';
import { readUri } from '../../intent/index.ts';
import {
  escapeUser,
  headerValue,
  parseNameAddr,
  SipParseError,
  type SipRequest,
  type SipUri,
  unescapeUri,
} from '../../sip/index.ts';
import type { Principal } from '../principal.ts';
import { holderOf } from './number-map.ts';
import { fromPeer, toE164 } from './numbering.ts';

/** Whom a request means, once a peer's numbers are read as the configuration says. */
export interface Meant {
  /** The Request-URI with the identity, or the number in E.164, as its user. */
  readonly uri: SipUri;
  /** The peer that has the number. */
  readonly peer: string | undefined;
}

/** Reads the number in a Request-URI: a trunk's as it writes them, a phone's as the trunk's country dials. */
export function meantBy(
  sender: Principal,
  uri: SipUri,
  request: SipRequest,
  peers: readonly PeerConfig[],
): Meant {
  const asItIs: Meant = { uri, peer: undefined };
  if (uri.user === undefined) return asItIs;
  if (sender.kind === 'peer') {
    if (sender.peer.role !== 'trunk') return asItIs;
    const number = calledNumber(sender.peer, unescapeUri(uri.user), request);
    return number === undefined ? asItIs : held(uri, number, sender.peer, true);
  }
  for (const peer of peers) {
    if (peer.role !== 'trunk' || peer.numbers.length === 0) continue;
    const number = toE164(unescapeUri(uri.user), peer.numbering);
    const holder = number === undefined ? undefined : holderOf(number, peer);
    // From inside, a number of our own need not go out and come back.
    if (number !== undefined && holder?.identity !== undefined) return held(uri, number, peer, false);
  }
  return asItIs;
}

function held(uri: SipUri, number: string, trunk: PeerConfig, asNumber: boolean): Meant {
  const holder = holderOf(number, trunk);
  const user = holder?.identity ?? (asNumber ? number : uri.user);
  return { uri: user === undefined ? uri : { ...uri, user: escapeUser(user) }, peer: holder?.peer };
}

/** A registered trunk calls its account; the number that was dialled then stands elsewhere (RFC 7315 §4.2). */
function calledNumber(trunk: PeerConfig, user: string, request: SipRequest): string | undefined {
  if (user !== trunk.credential?.username) return fromPeer(user, trunk.numbering);
  const dialled = userOf(headerValue(request, 'p-called-party-id')) ?? userOf(headerValue(request, 'to'));
  return dialled === undefined ? undefined : fromPeer(dialled, trunk.numbering);
}

function userOf(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  try {
    const uri = readUri(parseNameAddr(address).uri);
    if (uri?.scheme === 'tel') return uri.number;
    return uri?.scheme === 'other' || uri?.user === undefined ? undefined : unescapeUri(uri.user);
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}

import type { PeerConfig } from '../../config/index.ts';
import { readUri } from '../../intent/index.ts';
import {
  type HeaderField,
  headerField,
  headerItems,
  parseNameAddr,
  SipParseError,
  type SipRequest,
  serializeNameAddr,
  unescapeUri,
} from '../../sip/index.ts';
import type { Principal } from '../principal.ts';
import { callerNumberOf } from './number-map.ts';
import { fromPeer, writtenFor } from './numbering.ts';
import { accountOf, addressAt } from './peer-addresses.ts';

/** RFC 3325 §9.1: at most one sip or sips URI and one tel URI. */
const maxAsserted = 2;

/** What this gateway asserts of a caller towards a peer (RFC 3325 §5); nothing of a caller without a number there. */
export function assertedTowards(peer: PeerConfig, sender: Principal, request: SipRequest): HeaderField[] {
  if (sender.kind === 'peer') return assertedBy(sender.peer, request);
  if (peer.role === 'pbx') return asserted(addressAt(peer, accountOf(peer, sender.identity).user));
  const number = callerNumberOf(sender.identity, peer);
  if (number === undefined) return [];
  return asserted(`${addressAt(peer, writtenFor(number, peer.numbering))};user=phone`);
}

/**
 * What a peer asserts of its caller, which is trusted as the peer is; its numbers are given in E.164. Who wants to stay
 * private towards the called phone does (RFC 3325 §7).
 */
export function assertedBy(peer: PeerConfig, request: SipRequest, towardsPhone = false): HeaderField[] {
  if (towardsPhone && wantsPrivacy(request)) return [];
  return headerItems(request, 'p-asserted-identity')
    .slice(0, maxAsserted)
    .flatMap((item) => normalised(item, peer));
}

function asserted(uri: string): HeaderField[] {
  return [headerField('P-Asserted-Identity', `<${uri}>`)];
}

function normalised(item: string, peer: PeerConfig): HeaderField[] {
  try {
    const address = parseNameAddr(item);
    const uri = readUri(address.uri);
    const written = uri?.scheme === 'tel' ? uri.number : uri?.scheme === 'other' ? undefined : uri?.user;
    if (uri === undefined || written === undefined) return [];
    const number = fromPeer(unescapeUri(written), peer.numbering);
    const shown =
      number === undefined
        ? address.uri
        : uri.scheme === 'tel'
          ? `tel:${number}`
          : address.uri.replace(`${written}@`, `${number}@`);
    return [headerField('P-Asserted-Identity', serializeNameAddr({ ...address, uri: shown, params: [] }))];
  } catch (error) {
    // What cannot be read is asserted to nobody.
    if (error instanceof SipParseError) return [];
    throw error;
  }
}

/** RFC 3323 §4.2, RFC 3325 §9.3. */
function wantsPrivacy(request: SipRequest): boolean {
  return request.headers.some(
    ({ name, value }) =>
      name === 'privacy' &&
      value.split(';').some((wish) => ['id', 'user', 'header'].includes(wish.trim().toLowerCase())),
  );
}

import {
  type Contact,
  type Contacts,
  headerField,
  headerItems,
  headerValue,
  type Param,
  parseDeltaSeconds,
  parseNameAddr,
  parseUri,
  readContacts,
  SipParseError,
  type SipRequest,
  type SipUri,
  sameUri,
  type Uri,
} from '../message/index.ts';
import { isGruu } from './gruu.ts';
import type { RegistrarPolicy } from './policy.ts';
import { type RegisterRejection, reject } from './rejection.ts';

/** One contact that a REGISTER adds, refreshes or (with 0 seconds) removes. */
export interface ContactOffer {
  readonly uri: SipUri;
  readonly uriText: string;
  /** As written, without what is ours to say. */
  readonly params: readonly Param[];
  readonly expiresSeconds: number;
  readonly qValue: number;
  readonly instanceId: string | undefined;
  /** Set when the offer names one of several flows of an instance (RFC 5626 §6). */
  readonly regId: number | undefined;
}

/** What a REGISTER asks for, all of it checked; nothing of it depends on what is bound already. */
export interface RegisterOrder {
  readonly kind: 'order';
  readonly action: 'query' | 'remove-all' | 'update';
  readonly offers: readonly ContactOffer[];
  readonly path: readonly string[];
  /** The phone understands GRUUs (RFC 5627 §4.2). */
  readonly gruu: boolean;
  /** The phone understands outbound and one of its contacts was taken as a flow of its own. */
  readonly outbound: boolean;
  /** No proxy stands between the phone and us. */
  readonly firstHop: boolean;
}

/** RFC 3261 §20.19: what cannot be read counts as one hour. */
const malformedExpiresSeconds = 3600;
/** RFC 3261 §10.3 step 7: an hour or more is never too brief. */
const alwaysEnoughSeconds = 3600;
/** RFC 3261 §10.2.1.2 */
const defaultQValue = 1000;
/** `expires` is written anew; GRUUs are the registrar's to give (RFC 5627 §4.2). */
const ownParams = new Set(['expires', 'pub-gruu', 'temp-gruu', 'temp-gruu-cookie']);

export interface OrderContext {
  readonly policy: RegistrarPolicy;
  /** Whether we are the registrar of this host; lower case, without port. */
  readonly serves: (host: string) => boolean;
}

/** RFC 3261 §10.3 steps 6 and 7 as far as the request alone decides them, RFC 5626 §6, RFC 3327 §5.3, RFC 5627 §5.1. */
export function readRegisterOrder(
  request: SipRequest,
  context: OrderContext,
): RegisterOrder | RegisterRejection {
  try {
    return readOrder(request, context);
  } catch (error) {
    if (error instanceof SipParseError) return reject('contact-malformed', 400, 'Bad Contact');
    throw error;
  }
}

function readOrder(request: SipRequest, context: OrderContext): RegisterOrder | RegisterRejection {
  const { policy } = context;
  const items = headerItems(request, 'contact');
  if (items.length > policy.maxContacts) return reject('too-many-contacts', 400, 'Too Many Contacts');
  for (const item of items) {
    if (item.length > policy.maxContactLength) return reject('contact-too-long', 400, 'Contact Too Long');
  }
  const contacts = readContacts(request);
  const expiresValue = headerValue(request, 'expires');
  const expires =
    expiresValue === undefined ? undefined : (parseDeltaSeconds(expiresValue) ?? malformedExpiresSeconds);

  const supported = headerItems(request, 'supported').map((tag) => tag.toLowerCase());
  const path = readPath(request, policy);
  if (path === undefined) return reject('path-malformed', 400, 'Bad Path');
  if (path.length > 0 && !supported.includes('path')) {
    return reject('path-unsupported', 421, undefined, [headerField('Require', 'path')]);
  }
  const firstHop = headerItems(request, 'via').length === 1;
  const gruu = supported.includes('gruu');
  const base = { kind: 'order', path: path.map(({ uri }) => uri), firstHop, gruu } as const;

  if (contacts === '*') {
    // Step 6: the wildcard removes and does nothing else.
    if (expires !== 0) return reject('wildcard', 400, 'Contact * Needs Expires 0');
    return { ...base, action: 'remove-all', offers: [], outbound: false };
  }
  if (contacts.length === 0) return { ...base, action: 'query', offers: [], outbound: false };

  const named = contacts.some(isFlowOffer);
  const throughEdge = firstHop || path.at(-1)?.outbound === true;
  // RFC 5626 §6: without an edge proxy that keeps the flow, a reg-id promises what nobody holds.
  if (named && !throughEdge && supported.includes('outbound')) return reject('first-hop', 439);
  const flowOffers = named && throughEdge;
  const own = gruu ? parseUri(request.to.uri) : undefined;
  return readOffers(contacts, { ...context, expires, flowOffers, own }, (offers) => ({
    ...base,
    action: 'update',
    offers,
    outbound: flowOffers && supported.includes('outbound'),
  }));
}

function isFlowOffer(contact: Contact): boolean {
  return contact.instanceId !== undefined && contact.regId !== undefined;
}

function readOffers(
  contacts: Exclude<Contacts, '*'>,
  context: OrderContext & {
    readonly expires: number | undefined;
    readonly flowOffers: boolean;
    /** The address-of-record, for a phone to which GRUUs are given. */
    readonly own: Uri | undefined;
  },
  accept: (offers: readonly ContactOffer[]) => RegisterOrder,
): RegisterOrder | RegisterRejection {
  const { expires, flowOffers, policy, own, serves } = context;
  const offers: ContactOffer[] = [];
  for (const contact of contacts) {
    const { uri: uriText, params } = contact.address;
    const uri = parseUri(uriText);
    if (uri.scheme !== 'sip' && uri.scheme !== 'sips') {
      return reject('contact-scheme', 400, 'Contact Is Not a SIP URI');
    }
    // RFC 5627 §5.1: either would lead back to us.
    if (isGruu(uri) && serves(uri.host)) return reject('contact-is-gruu', 403, 'Contact Is A GRUU');
    if (own !== undefined && sameUri(uri, own))
      return reject('contact-is-aor', 403, 'Contact Is The Address');
    const asked = contact.expires ?? expires ?? policy.defaultExpiresSeconds;
    if (asked > 0 && asked < Math.min(policy.minExpiresSeconds, alwaysEnoughSeconds)) {
      return reject('interval-too-brief', 423, undefined, [
        headerField('Min-Expires', String(policy.minExpiresSeconds)),
      ]);
    }
    offers.push({
      uri,
      uriText,
      params: params.filter(({ name }) => !ownParams.has(name)),
      expiresSeconds: Math.min(asked, policy.maxExpiresSeconds),
      qValue: contact.qValue ?? defaultQValue,
      instanceId: contact.instanceId,
      regId: flowOffers && isFlowOffer(contact) ? contact.regId : undefined,
    });
  }
  const lasting = offers.filter(({ expiresSeconds }) => expiresSeconds > 0);
  // RFC 5626 §6: one REGISTER stands for one flow.
  if (lasting.length > 1 && lasting.some(({ regId }) => regId !== undefined)) {
    return reject('several-flows', 400, 'One Contact With reg-id Expected');
  }
  // Of contacts that say the same the last counts.
  return accept(
    offers.filter((offer, index) => !offers.slice(index + 1).some((later) => sameOffer(offer, later))),
  );
}

function sameOffer(a: ContactOffer, b: ContactOffer): boolean {
  if (a.regId !== b.regId) return false;
  return a.regId === undefined ? sameUri(a.uri, b.uri) : a.instanceId === b.instanceId;
}

interface PathHop {
  readonly uri: string;
  /** The `ob` parameter: this proxy keeps the flow towards the phone (RFC 5626 §5.1). */
  readonly outbound: boolean;
}

/** The Path values, nearest proxy first; undefined when one is no SIP URI or there are too many. */
function readPath(request: SipRequest, policy: RegistrarPolicy): PathHop[] | undefined {
  const hops: PathHop[] = [];
  for (const item of headerItems(request, 'path')) {
    if (hops.length >= policy.maxPathLength || item.length > policy.maxContactLength) return undefined;
    const address = parseNameAddr(item);
    const uri = parseUri(address.uri);
    if (uri.scheme !== 'sip' && uri.scheme !== 'sips') return undefined;
    hops.push({ uri: address.uri, outbound: uri.params.some(({ name }) => name === 'ob') });
  }
  return hops;
}

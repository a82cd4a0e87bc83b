import {
  type HeaderField,
  hasParam,
  headerItems,
  paramValue,
  parseNameAddr,
  parseUri,
  type SipRequest,
  type SipUri,
  serializeUri,
  withoutParam,
} from '../message/index.ts';
import type { FlowTokenContents, FlowTokens } from './flow-token.ts';
import { companionParam } from './record-route.ts';

/** What the Route header says, and the request without the values that led here (RFC 3261 §16.4). */
export type RouteExamination =
  | { readonly kind: 'token'; readonly request: SipRequest; readonly token: FlowTokenContents }
  | { readonly kind: 'no-token'; readonly request: SipRequest }
  /** A value that names this proxy with a user part that it never minted. */
  | { readonly kind: 'forged' }
  /** The first value names somebody else: nobody sends us requests to relay there. */
  | { readonly kind: 'foreign' };

export interface RouteExaminationOptions {
  readonly tokens: FlowTokens;
  /** Whether host (lower case) and port name this proxy. */
  readonly isOwnAddress: (host: string, port: number | undefined) => boolean;
}

/** Throws SipParseError when a Route value or its URI is malformed. */
export function examineRoutes(request: SipRequest, options: RouteExaminationOptions): RouteExamination {
  let uri = withoutOwnMaddr(request.uri, options);
  const items = headerItems(request, 'route');
  if (items.length === 0)
    return { kind: 'no-token', request: uri === request.uri ? request : { ...request, uri } };

  const strict = routeOfStrictRouter(uri, options);
  let token = typeof strict === 'object' ? strict : undefined;
  // RFC 3261 §16.4: a strict router put our route into the Request-URI and what belongs there last into Route.
  if (strict !== undefined) uri = parseNameAddr(items.pop() ?? '').uri;

  let taken = 0;
  let companionAllowed = strict !== 'companion';
  for (; taken < items.length; taken++) {
    const route = parseNameAddr(items[taken] ?? '');
    const parsed = parseUri(route.uri);
    if (parsed.scheme === 'tel' || parsed.scheme === 'other') break;
    if (isCompanion(parsed) && companionAllowed) {
      companionAllowed = false;
      continue;
    }
    // A second token belongs to another passage through this proxy (a spiral): it stays for that passage.
    if (token !== undefined) break;
    const opened = parsed.user === undefined ? undefined : options.tokens.open(parsed.user);
    if (typeof opened === 'object') token = opened;
    else if (!options.isOwnAddress(parsed.host, parsed.port)) break;
    else if (opened !== undefined) return { kind: 'forged' };
  }
  if (token === undefined && taken < items.length) return { kind: 'foreign' };
  const stripped = withRoutes(request, uri, items.slice(taken));
  return token === undefined
    ? { kind: 'no-token', request: stripped }
    : { kind: 'token', request: stripped, token };
}

/** RFC 3261 §16.4: an maddr that names us has done its work; port and transport, which led here too, go with it. */
function withoutOwnMaddr(text: string, { isOwnAddress }: RouteExaminationOptions): string {
  if (!text.includes(';maddr=')) return text;
  const uri = parseUri(text);
  if (uri.scheme !== 'sip' && uri.scheme !== 'sips') return text;
  const maddr = paramValue(uri.params, 'maddr');
  if (maddr === undefined || !isOwnAddress(maddr.toLowerCase(), uri.port)) return text;
  const params = withoutParam(withoutParam(uri.params, 'maddr'), 'transport');
  return serializeUri({ ...uri, port: undefined, params });
}

function isCompanion(uri: SipUri): boolean {
  return uri.user === undefined && hasParam(uri.params, companionParam);
}

/** Whether a Route or Record-Route value holds a token of this proxy. */
export function isOwnRoute(route: string, tokens: FlowTokens): boolean {
  const uri = parseUri(parseNameAddr(route).uri);
  if (uri.scheme !== 'sip' && uri.scheme !== 'sips') return false;
  return uri.user !== undefined && typeof tokens.open(uri.user) === 'object';
}

/** A value that this proxy once put into Record-Route, where a strict router has moved it into the Request-URI. */
function routeOfStrictRouter(
  uri: string,
  { tokens, isOwnAddress }: RouteExaminationOptions,
): FlowTokenContents | 'companion' | undefined {
  if (!uri.includes(';lr')) return undefined;
  const parsed = parseUri(uri);
  if (parsed.scheme !== 'sip' && parsed.scheme !== 'sips') return undefined;
  if (isCompanion(parsed)) return isOwnAddress(parsed.host, parsed.port) ? 'companion' : undefined;
  const opened = parsed.user === undefined ? undefined : tokens.open(parsed.user);
  return typeof opened === 'object' ? opened : undefined;
}

function withRoutes(request: SipRequest, uri: string, routes: readonly string[]): SipRequest {
  const headers: HeaderField[] = [];
  let written = false;
  for (const field of request.headers) {
    if (field.name !== 'route') headers.push(field);
    else if (!written) {
      written = true;
      if (routes.length > 0) headers.push({ name: 'route', rawName: 'Route', value: routes.join(', ') });
    }
  }
  return { ...request, uri, headers };
}

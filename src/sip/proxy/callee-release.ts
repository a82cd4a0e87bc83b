import {
  createRequest,
  createVia,
  type HeaderField,
  hasParam,
  headerField,
  headerItems,
  headerValue,
  parseNameAddr,
  parseUri,
  SipParseError,
  type SipRequest,
  type SipResponse,
} from '../message/index.ts';
import type { ProxyAddress } from './record-route.ts';

/** Where the requests of a dialog go that this proxy must end itself. */
interface DialogPath {
  readonly uri: string;
  readonly routes: readonly string[];
}

export interface ReleaseOptions {
  /** The 2xx as it came, without this proxy's own Via. */
  readonly answer: SipResponse;
  readonly transport: string;
  readonly address: ProxyAddress;
  readonly rport: boolean;
  /** A fresh branch for each request. */
  readonly branch: () => string;
  /** Whether a Record-Route value is the one that this proxy added. */
  readonly isOwnRoute: (route: string) => boolean;
  /** RFC 3326: why the call ends. */
  readonly reason: HeaderField;
}

/** ACK and BYE for a callee whose 2xx nobody may have. */
export interface Release {
  readonly ack: SipRequest;
  readonly bye: SipRequest;
}

/**
 * Ends a dialog in the caller's stead: RFC 3261 §13.2.2.4 wants each 2xx acknowledged, and §16.7 leaves a proxy that
 * cannot forward one no other way to free the callee. Undefined when the answer cannot be read that far.
 */
export function buildRelease(options: ReleaseOptions): Release | undefined {
  const { answer } = options;
  try {
    const path = calleePath(answer, options.isOwnRoute);
    const { number } = answer.cseq;
    return {
      ack: request('ACK', number, path, options),
      bye: request('BYE', number + 1, path, options),
    };
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}

/** RFC 3261 §12.1.2 and §12.2.1.1, with this proxy in the caller's place: what stands above its own value is on the way. */
function calleePath(answer: SipResponse, isOwnRoute: (route: string) => boolean): DialogPath {
  const target = parseNameAddr(headerValue(answer, 'contact') ?? '').uri;
  const recorded = headerItems(answer, 'record-route');
  const own = recorded.findIndex(isOwnRoute);
  const routes = recorded.slice(0, Math.max(own, 0)).reverse();
  const [first] = routes;
  if (first === undefined) return { uri: target, routes };
  const next = parseNameAddr(first).uri;
  const parsed = parseUri(next);
  if (parsed.scheme === 'other' || hasParam(parsed.params, 'lr')) return { uri: target, routes };
  return { uri: next, routes: [...routes.slice(1), `<${target}>`] };
}

function request(method: 'ACK' | 'BYE', cseq: number, path: DialogPath, options: ReleaseOptions): SipRequest {
  const { answer, transport, address, rport, branch, reason } = options;
  const routes = path.routes.map((route) => headerField('Route', route));
  return createRequest({
    method,
    uri: path.uri,
    via: createVia({ transport, host: address.host, port: address.port, branch: branch(), rport }),
    from: headerValue(answer, 'from') ?? '',
    to: headerValue(answer, 'to') ?? '',
    callId: answer.callId,
    cseq,
    headers: method === 'BYE' ? [...routes, reason] : routes,
  });
}

import {
  type HeaderField,
  hasParam,
  headerItems,
  parseNameAddr,
  parseUri,
  type SipRequest,
  serializeVia,
  type Via,
} from '../message/index.ts';

/** What changes on the way to one target. */
export interface ForwardPlan {
  readonly requestUri: string;
  readonly via: Via;
  /** RFC 5393 §5.3.3; undefined leaves the header as it is. */
  readonly breadth: number | undefined;
  /** Topmost first. */
  readonly recordRoutes: readonly string[];
  /** Put before the Route values that the request still has. */
  readonly routes: readonly string[];
  readonly remove: readonly string[];
  readonly add: readonly HeaderField[];
  /** Instead of the request's own. */
  readonly body: Uint8Array | undefined;
  /** Instead of the From that came. */
  readonly from: string | undefined;
}

/** RFC 3261 §8.1.1.6: what a request without Max-Forwards gets. */
const initialMaxForwards = 70;

/** The copy of a request that goes to one target (RFC 3261 §16.6 steps 1 to 8), built in one pass. */
export function buildForwarded(request: SipRequest, plan: ForwardPlan): SipRequest {
  const maxForwards = request.maxForwards === undefined ? initialMaxForwards : request.maxForwards - 1;
  const { uri, routes } = applyStrictRouter(plan.requestUri, collectRoutes(request, plan.routes));
  const { remove, via, breadth } = plan;
  const headers: HeaderField[] = [{ name: 'via', rawName: 'Via', value: serializeVia(via) }];
  for (const value of plan.recordRoutes)
    headers.push({ name: 'record-route', rawName: 'Record-Route', value });
  for (const value of routes) headers.push({ name: 'route', rawName: 'Route', value });
  let maxForwardsWritten = false;
  for (const field of request.headers) {
    switch (field.name) {
      case 'route':
        break;
      case 'max-breadth':
        if (breadth === undefined) headers.push(field);
        break;
      case 'max-forwards':
        headers.push({ name: 'max-forwards', rawName: 'Max-Forwards', value: String(maxForwards) });
        maxForwardsWritten = true;
        break;
      case 'from':
        headers.push(plan.from === undefined ? field : { ...field, value: plan.from });
        break;
      case 'via':
      case 'to':
      case 'call-id':
      case 'cseq':
        headers.push(field);
        break;
      default:
        if (remove.length === 0 || !remove.includes(field.name)) headers.push(field);
    }
  }
  if (!maxForwardsWritten) {
    headers.push({ name: 'max-forwards', rawName: 'Max-Forwards', value: String(maxForwards) });
  }
  if (breadth !== undefined)
    headers.push({ name: 'max-breadth', rawName: 'Max-Breadth', value: String(breadth) });
  for (const field of plan.add) headers.push(field);
  const { method, callId, cseq, from, to } = request;
  const body = plan.body ?? request.body;
  return { kind: 'request', method, uri, maxForwards, headers, body, callId, cseq, from, to, via };
}

function collectRoutes(request: SipRequest, first: readonly string[]): readonly string[] {
  const rest = headerItems(request, 'route');
  return rest.length === 0 ? first : [...first, ...rest];
}

/** RFC 3261 §16.6 step 6: a next hop without `lr` finds its own URI in the Request-URI, and the real one last. */
function applyStrictRouter(
  requestUri: string,
  routes: readonly string[],
): { readonly uri: string; readonly routes: readonly string[] } {
  const [first] = routes;
  if (first === undefined) return { uri: requestUri, routes };
  const next = parseNameAddr(first).uri;
  const parsed = parseUri(next);
  if (parsed.scheme === 'other' || hasParam(parsed.params, 'lr')) return { uri: requestUri, routes };
  return { uri: next, routes: [...routes.slice(1), `<${requestUri}>`] };
}

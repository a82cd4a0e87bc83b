import {
  headerItems,
  headerValue,
  ownText,
  type ProxyTarget,
  parseNameAddr,
  SipParseError,
  type SipRequest,
  type SipResponse,
} from '../sip/index.ts';
import type { Call } from './call-records.ts';
import type { PartyAddress } from './dialog-policy.ts';

/** One party of an answered call, as a request to it has to name it (RFC 3261 §12.2.1.1). */
export interface DialogEnd extends PartyAddress {
  /** From or To, with its tag. */
  readonly address: string;
  readonly contact: string;
  /** The proxies on the way to it, the nearest first. */
  readonly routes: readonly string[];
}

export interface AnsweredCall {
  readonly request: SipRequest;
  /** The 2xx as it goes to the caller. */
  readonly response: SipResponse;
  readonly callerIdentity: string;
  readonly target: ProxyTarget;
}

/** Of the values that this gateway has put into Record-Route, the one towards the caller (RFC 5658). */
const companionEnd = ';r2>';

/** What it takes to end the call from here, as one text: it is kept for every call. Undefined where that is not known. */
export function writeDialog(call: AnsweredCall): string | undefined {
  const { request, response, callerIdentity, target } = call;
  try {
    const behind = headerItems(request, 'record-route');
    const recorded = headerItems(response, 'record-route').slice(0, -behind.length || undefined);
    const own = recorded.at(-1)?.endsWith(companionEnd) === true ? 2 : 1;
    return ownText(
      [
        ...[headerValue(response, 'from'), contactOf(request), '', callerIdentity, behind.join('\t')],
        ...[headerValue(response, 'to'), contactOf(response), target.flow.id, target.identity ?? ''],
        recorded.slice(0, -own).reverse().join('\t'),
      ].join('\n'),
    );
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}

/** Notes that another phone has answered the call as well (RFC 3261 §13.2.2.4): each answer is a dialog of its own. */
export function answersToo(call: Call, { to }: SipResponse): void {
  const first = call.dialog === undefined ? undefined : calleeTagOf(call.dialog, call.callerFlow);
  call.answeredTags ??= new Set(first === undefined ? [] : [first]);
  call.answeredTags.add(ownText(to.tag ?? ''));
}

/**
 * Whether this BYE ends the last dialog of its call: none in a dialog that nobody has answered does, whatever is answered
 * to it, for the INVITE goes on until it has its own final response (RFC 3261 §15.1.2).
 */
export function endsCall(call: Call, { from, to }: SipRequest): boolean {
  if (call.answeredAtMs === undefined) return false;
  const tag = (from.tag === call.callerTag ? to.tag : from.tag) ?? '';
  if (call.answeredTags !== undefined) {
    call.answeredTags.delete(tag);
    return call.answeredTags.size === 0;
  }
  return call.dialog === undefined || hasDialog(call, tag);
}

/** Whether the call was answered in the dialog of this To tag. */
export function hasDialog({ dialog, callerFlow, answeredTags }: Call, calleeTag: string): boolean {
  if (answeredTags !== undefined) return answeredTags.has(calleeTag);
  return dialog !== undefined && calleeTagOf(dialog, callerFlow) === calleeTag;
}

function calleeTagOf(dialog: string, callerFlow: string): string | undefined {
  return parseNameAddr(readDialog(dialog, callerFlow).callee.address).tag;
}

/** `callerFlow` is the call's own. */
export function readDialog(
  text: string,
  callerFlow: string,
): { readonly caller: DialogEnd; readonly callee: DialogEnd } {
  const parts = text.split('\n');
  const [caller, callee] = [endOf(parts.slice(0, 5)), endOf(parts.slice(5))];
  return { caller: { ...caller, flow: callerFlow }, callee };
}

function endOf([address = '', contact = '', flow = '', identity, routes = '']: readonly string[]): DialogEnd {
  return {
    address,
    contact,
    flow,
    identity: identity === '' ? undefined : identity,
    routes: routes === '' ? [] : routes.split('\t'),
  };
}

function contactOf(message: SipRequest | SipResponse): string {
  return parseNameAddr(headerItems(message, 'contact')[0] ?? '').uri;
}

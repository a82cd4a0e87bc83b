import { ownText, type Param, parseUri, type SipRequest, sameUri } from '../message/index.ts';
import type { Flow } from '../transport/index.ts';
import { applyChanges, type Binding, type LocationUpdate, type RegistrationChange } from './binding.ts';
import type { RegistrarPolicy } from './policy.ts';
import type { ContactOffer, RegisterOrder } from './register-order.ts';
import { type RegisterRejection, reject } from './rejection.ts';

/** What the registrar needs to know of the flow on which a REGISTER arrived. */
export type RegisterSource = Pick<Flow, 'id' | 'transport' | 'local' | 'remote'>;

export interface RegistrationContext {
  readonly request: SipRequest;
  readonly order: RegisterOrder;
  readonly source: RegisterSource;
  readonly nowMs: number;
  readonly userAgent: string | undefined;
  readonly policy: RegistrarPolicy;
}

export interface Registration extends LocationUpdate {
  /** Set when nothing may change. */
  readonly rejection: RegisterRejection | undefined;
  /** All that is bound afterwards, this request's own contacts first. */
  readonly bindings: readonly Binding[];
}

/**
 * RFC 3261 §10.3 step 7 as one pure step: the current bindings and an order give the changes, all or none.
 */
export function decideRegistration(current: readonly Binding[], context: RegistrationContext): Registration {
  const { nowMs, order, policy } = context;
  const live = current.filter((binding) => binding.expiresAtMs > nowMs);
  const changes: RegistrationChange[] = current
    .filter((binding) => binding.expiresAtMs <= nowMs)
    .map((binding) => ({ kind: 'removed', binding, cause: 'expired' }));

  if (order.action === 'remove-all') {
    if (live.some((binding) => outOfOrder(binding, context))) return refused(live, outOfOrderRejection());
    changes.push(...live.map((binding) => removal(binding, 'unregistered')));
    return { changes, rejection: undefined, bindings: [] };
  }
  const own = new Set<string>();
  for (const offer of order.offers) {
    const met = bindingsInPlaceOf(offer, live, context);
    if (met.some((binding) => outOfOrder(binding, context))) return refused(live, outOfOrderRejection());
    if (offer.expiresSeconds === 0) {
      changes.push(...met.map((binding) => removal(binding, 'unregistered')));
      continue;
    }
    const previous = met.find((one) => sameContact(offer, one));
    const binding = makeBinding(offer, previous, context);
    changes.push(...met.filter((one) => one !== previous).map((one) => removal(one, 'replaced')));
    changes.push(previous ? { kind: 'refreshed', binding, previous } : { kind: 'added', binding });
    own.add(binding.id);
  }
  const after = applyChanges(current, changes);
  if (after.length > policy.maxBindings && after.length > live.length) {
    return refused(live, reject('too-many-bindings', 403, 'Too Many Bindings'));
  }
  const ownFirst = after.filter(({ id }) => own.has(id)).concat(after.filter(({ id }) => !own.has(id)));
  return { changes, rejection: undefined, bindings: ownFirst };
}

function refused(bindings: readonly Binding[], rejection: RegisterRejection): Registration {
  return { changes: [], rejection, bindings };
}

function removal(binding: Binding, cause: 'unregistered' | 'replaced'): RegistrationChange {
  return { kind: 'removed', binding, cause };
}

/** A request that an earlier one of the same Call-ID has overtaken must not undo it. */
function outOfOrder(binding: Binding, { request }: RegistrationContext): boolean {
  return binding.callId === request.callId && request.cseq.number <= binding.cseq;
}

/** RFC 3261 leaves the status open; 500 is what §12.2.2 gives for the same fault within a dialog. */
function outOfOrderRejection(): RegisterRejection {
  return reject('out-of-order', 500, 'CSeq Out of Order');
}

/** Whether the binding is the very contact that is offered: (instance, reg-id), else the URI (RFC 3261 §19.1.4). */
function sameContact(offer: ContactOffer, binding: Binding): boolean {
  if (offer.regId !== undefined) {
    return binding.regId === offer.regId && binding.instanceId === offer.instanceId;
  }
  return binding.regId === undefined && sameAsContactUri(offer, binding);
}

/** The bindings whose place the offer takes: that very contact, else what its phone has left behind. */
function bindingsInPlaceOf(
  offer: ContactOffer,
  live: readonly Binding[],
  context: RegistrationContext,
): readonly Binding[] {
  const same = live.filter((binding) => sameContact(offer, binding));
  // Beyond the letter of the RFC only where a phone names one contact, new to us, to keep it.
  if (same.length > 0 || offer.expiresSeconds === 0 || context.order.offers.length > 1) return same;
  return live.filter((binding) => leftBehind(offer, binding, context));
}

/** Whether the phone that makes this offer had that binding and has another address now. */
function leftBehind(offer: ContactOffer, binding: Binding, context: RegistrationContext): boolean {
  const { order, policy, request, source } = context;
  if (offer.regId !== undefined || binding.regId !== undefined) return false;
  if (offer.instanceId !== undefined || binding.instanceId !== undefined) {
    return offer.instanceId === binding.instanceId;
  }
  // The flow of a proxy carries many phones.
  const direct = order.firstHop && order.path.length === 0 && binding.path.length === 0;
  if (!direct || binding.flowId !== source.id) return false;
  switch (policy.sameFlowRule) {
    case 'never':
      return false;
    case 'any':
      return true;
    case 'moved':
      return binding.callId === request.callId && userOf(binding) === offer.uri.user;
  }
}

function sameAsContactUri(offer: ContactOffer, binding: Binding): boolean {
  return offer.uriText === binding.contactUri || sameUri(offer.uri, parseUri(binding.contactUri));
}

function userOf(binding: Binding): string | undefined {
  const uri = parseUri(binding.contactUri);
  return uri.scheme === 'sip' || uri.scheme === 'sips' ? uri.user : undefined;
}

/** Characters of a User-Agent that are kept. */
const maxUserAgentLength = 256;

/** What is kept is copied: a part of the parsed text would keep the whole REGISTER in memory with it. */
function makeBinding(
  offer: ContactOffer,
  previous: Binding | undefined,
  context: RegistrationContext,
): Binding {
  const { nowMs, order, request, source, userAgent } = context;
  return {
    id: previous?.id ?? bindingId(offer),
    contactUri: ownText(offer.uriText),
    contactParams: offer.params.map(ownParam),
    instanceId: ownOrAbsent(offer.instanceId),
    regId: offer.regId,
    flowId: source.id,
    transport: source.transport,
    observed: { address: source.remote.address, port: source.remote.port },
    callId: ownText(request.callId),
    cseq: request.cseq.number,
    expiresAtMs: nowMs + offer.expiresSeconds * 1000,
    qValue: offer.qValue,
    path: order.path.map(ownText),
    userAgent: ownOrAbsent(userAgent?.slice(0, maxUserAgentLength)),
    registeredAtMs: previous?.registeredAtMs ?? nowMs,
    refreshedAtMs: nowMs,
  };
}

function ownParam({ name, value }: Param): Param {
  return { name: ownText(name), value: ownOrAbsent(value) };
}

function ownOrAbsent(headerText: string | undefined): string | undefined {
  return headerText === undefined ? undefined : ownText(headerText);
}

/** A digit starts the one form and a letter the other, so they never meet. */
function bindingId(offer: ContactOffer): string {
  return ownText(offer.regId === undefined ? offer.uriText : `${offer.regId};${offer.instanceId}`);
}

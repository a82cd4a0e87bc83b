import type { SipRequest } from '../message/index.ts';
import type { Flow } from '../transport/index.ts';
import type { FlowTokenContents } from './flow-token.ts';
import type { RoutingDecision } from './policy.ts';

/** The other side of a dialog, seen from the flow on which a request of the dialog came. */
export type InDialogTarget =
  | {
      readonly kind: 'flow';
      readonly flow: Flow;
      /** Of the side that is reached, and of the side that sent. */
      readonly identity: string | undefined;
      readonly sourceIdentity: string | undefined;
    }
  /** The source is one side of the dialog; the flow of the other side is closed. */
  | {
      readonly kind: 'gone';
      readonly identity: string | undefined;
      readonly sourceIdentity: string | undefined;
    }
  /** The source is neither side's flow: a phone that came back on another one, or a stranger with a copied token. */
  | { readonly kind: 'foreign' };

/** Finds the other side by direction: what came on the caller's flow goes to the callee's, and the reverse. */
export function inDialogTarget(
  token: FlowTokenContents,
  source: Flow,
  lookupFlow: (id: string) => Flow | undefined,
): InDialogTarget {
  const fromCaller = source.id === token.callerFlow;
  if (!fromCaller && source.id !== token.calleeFlow) return { kind: 'foreign' };
  const identity = fromCaller ? token.calleeIdentity : token.callerIdentity;
  const sourceIdentity = fromCaller ? token.callerIdentity : token.calleeIdentity;
  const flow = lookupFlow(fromCaller ? token.calleeFlow : token.callerFlow);
  if (flow?.open !== true) return { kind: 'gone', identity, sourceIdentity };
  return { kind: 'flow', flow, identity, sourceIdentity };
}

/** The strictest answer: only the dialog's own flows may use its token (403), and a gone one is a 430 (RFC 5626 §5.3). */
export function decideByToken(
  request: SipRequest,
  source: Flow,
  token: FlowTokenContents,
  lookupFlow: (id: string) => Flow | undefined,
): RoutingDecision {
  const target = inDialogTarget(token, source, lookupFlow);
  switch (target.kind) {
    case 'flow':
      return {
        kind: 'forward',
        targets: [{ flow: target.flow, requestUri: request.uri, qValue: 1000 }],
        recordRoute: false,
      };
    case 'gone':
      return { kind: 'respond', status: 430 };
    case 'foreign':
      return { kind: 'respond', status: 403 };
  }
}

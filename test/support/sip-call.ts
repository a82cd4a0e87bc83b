import type { SipRequest, SipResponse } from '../../src/sip/index.ts';
import type { RequestOptions, SipAgent } from './sip-agent.ts';
import { calleeDialog, callerDialog, type Dialog } from './sip-dialog.ts';

/** A call that was answered and acknowledged, seen from both ends. */
export interface EstablishedCall {
  /** As it reached the callee. */
  readonly invite: SipRequest;
  readonly answer: SipResponse;
  readonly callerSide: Dialog;
  readonly calleeSide: Dialog;
}

/** An INVITE that rings: the caller has its 180. */
export interface RingingCall {
  readonly request: SipRequest;
  readonly invite: SipRequest;
}

export async function ring(
  caller: SipAgent,
  callee: SipAgent,
  uri: string = callee.address,
  options: RequestOptions = {},
): Promise<RingingCall> {
  const { request, response } = await caller.begin('INVITE', uri, options);
  if (response !== undefined) throw new Error(`the call was refused: ${response.status} ${response.reason}`);
  const invite = await callee.incoming('INVITE');
  callee.reply(invite, 180);
  await caller.provisional(request, 180);
  return { request, invite };
}

export async function establish(
  caller: SipAgent,
  callee: SipAgent,
  uri: string = callee.address,
  options: RequestOptions = {},
): Promise<EstablishedCall> {
  const { request, invite } = await ring(caller, callee, uri, options);
  const sent = callee.reply(invite, 200);
  const answer = await caller.final(request);
  const callerSide = callerDialog(answer);
  caller.inDialog(callerSide, 'ACK');
  await callee.incoming('ACK');
  return { invite, answer, callerSide, calleeSide: calleeDialog(invite, sent) };
}

/** Sends a request within the dialog, has the other side answer it, and returns what both received. */
export async function exchange(
  from: SipAgent,
  to: SipAgent,
  dialog: Dialog,
  method: string,
  options: RequestOptions = {},
  status = 200,
): Promise<{ arrived: SipRequest; response: SipResponse }> {
  const request = from.inDialog(dialog, method, options);
  const arrived = await to.incoming(method);
  to.reply(arrived, status);
  return { arrived, response: await from.final(request) };
}

import { parseSdp } from '../../src/media/index.ts';
import type { SipMessage, SipRequest, SipResponse } from '../../src/sip/index.ts';
import type { RtpPhone } from '../media/support/rtp-phone.ts';
import type { SipAgent } from './sip-agent.ts';
import { calleeDialog, callerDialog, type Dialog } from './sip-dialog.ts';

export const sdpType = 'application/sdp';

/** A description of one audio stream that a phone would write. */
export function sdpFor(
  media: { readonly address: string; readonly port: number },
  ...more: readonly string[]
): string {
  return [
    'v=0',
    `o=phone 1 1 IN IP4 ${media.address}`,
    's=call',
    `c=IN IP4 ${media.address}`,
    't=0 0',
    `m=audio ${media.port} RTP/AVP 0`,
    ...more,
    '',
  ].join('\r\n');
}

/** Where the first stream of a message's description goes. */
export function placeIn(message: SipMessage): { readonly address: string; readonly port: number } {
  const description = parseSdp(message.body);
  const [section] = description.media;
  const address = (section?.connection ?? description.connection)?.address ?? '';
  return { address, port: section?.port ?? 0 };
}

export function textOf(message: SipMessage): string {
  return Buffer.from(message.body).toString('latin1');
}

/** A call that is up, with media at both ends. */
export interface MediaCall {
  readonly invite: SipRequest;
  readonly answer: SipResponse;
  readonly callerSide: Dialog;
  readonly calleeSide: Dialog;
  /** Where the caller and the callee were told to send. */
  readonly toCaller: { readonly address: string; readonly port: number };
  readonly toCallee: { readonly address: string; readonly port: number };
}

export interface Talker {
  readonly agent: SipAgent;
  readonly media: RtpPhone;
}

/** Sets a call up; `caller` sends to what came in the answer, `callee` to what came in the offer. */
export async function callWithMedia(
  caller: Talker,
  callee: Talker,
  offer: string = sdpFor(caller.media),
  answer: string = sdpFor(callee.media),
): Promise<MediaCall> {
  const { request } = await caller.agent.begin('INVITE', callee.agent.address, {
    body: offer,
    contentType: sdpType,
  });
  const invite = await callee.agent.incoming('INVITE');
  const sent = callee.agent.reply(invite, 200, [], { body: Buffer.from(answer), contentType: sdpType });
  const received = await caller.agent.final(request);
  const callerSide = callerDialog(received);
  caller.agent.inDialog(callerSide, 'ACK');
  await callee.agent.incoming('ACK');
  return {
    invite,
    answer: received,
    callerSide,
    calleeSide: calleeDialog(invite, sent),
    toCaller: placeIn(received),
    toCallee: placeIn(invite),
  };
}

/** Both speak until each has heard the other, and a few packets more. */
export async function talk(
  caller: RtpPhone,
  callee: RtpPhone,
  { toCaller, toCallee }: Pick<MediaCall, 'toCaller' | 'toCallee'>,
  words = 'hello',
): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const speak = (): void => {
      caller.say(`${words} caller ${i}`, toCaller.port, toCaller.address);
      callee.say(`${words} callee ${i}`, toCallee.port, toCallee.address);
    };
    await callee.hears(`${words} caller ${i}`, speak);
    await caller.hears(`${words} callee ${i}`, speak);
  }
}

import type { MediaFault, MediaPeer, MediaRefusal } from '../engine.ts';
import { faultOf } from '../relay/acceptable.ts';
import { parseSdp, SdpError, type SdpLimits, type SessionDescription } from '../sdp/index.ts';

const reasons: Readonly<Record<MediaFault, string>> = {
  unacceptable: 'Bad Session Description',
  exhausted: 'No Media Ports Left',
  unavailable: 'Media Server Unavailable',
};

export function refused(fault: MediaFault, reason: string = reasons[fault]): MediaRefusal {
  return { kind: 'refused', fault, reason };
}

/** A description that a party wrote, or why it cannot be anchored: found before rtpengine is asked. */
export function readDescription(
  sdp: Uint8Array,
  sender: MediaPeer,
  limits: SdpLimits,
): SessionDescription | MediaRefusal {
  try {
    const description = parseSdp(sdp, limits);
    const fault = faultOf(description, sender);
    return fault === undefined ? description : refused('unacceptable', fault);
  } catch (error) {
    if (error instanceof SdpError) return refused('unacceptable');
    throw error;
  }
}

import { findSdp, SdpError, type SdpPart } from '../../media/index.ts';
import { headerValue, type SipMessage } from '../../sip/index.ts';

/** RFC 8866 §5.1. */
const firstLine = Buffer.from('v=0');

/** Where a message has its session description. Undefined also for a body that cannot be taken apart: it passes as any other. */
export function partOf(message: SipMessage): SdpPart | undefined {
  if (message.body.length === 0) return undefined;
  const contentType = headerValue(message, 'content-type');
  // RFC 3261 §20.15 wants a type, but a phone may take a description without one for what it is, and send past the relay.
  const typed = contentType !== undefined;
  if (!typed && Buffer.compare(message.body.subarray(0, firstLine.length), firstLine) !== 0) return undefined;
  try {
    return findSdp(contentType ?? 'application/sdp', message.body);
  } catch (error) {
    if (error instanceof SdpError) return undefined;
    throw error;
  }
}

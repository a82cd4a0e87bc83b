import { findSdp, SdpError, type SdpPart } from '../../media/index.ts';
import { headerValue, type SipMessage } from '../../sip/index.ts';

/** Where a message has its session description. Undefined also for a body that cannot be taken apart: it passes as any other. */
export function partOf(message: SipMessage): SdpPart | undefined {
  if (message.body.length === 0) return undefined;
  try {
    return findSdp(headerValue(message, 'content-type'), message.body);
  } catch (error) {
    if (error instanceof SdpError) return undefined;
    throw error;
  }
}

import type { MediaPeer } from '../engine.ts';
import { addressKind, connectionOf, type SessionDescription } from '../sdp/index.ts';
import { isAnchored } from './anchor-plan.ts';

/**
 * Why a description is not for the relay; undefined: nothing is wrong. An address that means this machine or one
 * network segment is believed of a phone that is there itself, as its signalling shows.
 */
export function faultOf(
  description: SessionDescription,
  sender: Pick<MediaPeer, 'observed'>,
): string | undefined {
  for (const section of description.media) {
    if (!isAnchored(section)) continue;
    if (section.portCount > 1) return 'Layered Media Not Supported';
    const connection = connectionOf(description, section);
    if (connection === undefined) continue;
    const kind = addressKind(connection.address);
    switch (kind) {
      case 'multicast':
      case 'broadcast':
        return 'Media To A Group Not Supported';
      case 'loopback':
      case 'link-local':
        if (addressKind(sender.observed) !== kind) return 'Media Address Not Reachable';
        break;
      case 'name':
      case 'unspecified':
      case 'unicast':
    }
  }
  return undefined;
}

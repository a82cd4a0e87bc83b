import type { Layer } from '../provenance/index.ts';
import { type Flow, headerValue, type SipRequest } from '../sip/index.ts';
import { nodeSoftware } from './software.ts';

/** Those of them that say something about the peer. */
export const peerCircumstances: readonly string[] = ['flow', 'source', 'userAgent'];

/** EROMHEEN of a record: the software, and what the network showed of the peer. Node and time are the log's to add. */
export function circumstances(request?: SipRequest, flow?: Flow): Layer {
  if (flow === undefined) return { software: nodeSoftware };
  const userAgent = request && headerValue(request, 'user-agent');
  return {
    software: nodeSoftware,
    transport: flow.transport,
    flow: flow.id,
    source: `${flow.remote.address}:${flow.remote.port}`,
    ...(userAgent === undefined ? {} : { userAgent }),
  };
}

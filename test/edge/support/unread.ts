import type { SipAgent } from '../../support/sip-agent.ts';

/** The requests that have reached a phone and that no test expected; the ACK of a refusal comes by itself. */
export function unexpectedAt(phone: SipAgent): string[] {
  return phone.inbox.unread
    .flatMap((message) => (message.kind === 'request' ? [message.method] : []))
    .filter((method) => method !== 'ACK');
}

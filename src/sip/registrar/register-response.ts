import { type HeaderField, headerField, type SipRequest, serializeNameAddr } from '../message/index.ts';
import type { Binding } from './binding.ts';
import type { RegistrarPolicy } from './policy.ts';
import type { RegisterOrder } from './register-order.ts';
import type { RegisterSource } from './registration.ts';

/** Option tags that a REGISTER may require of us. */
export const supportedTags: readonly string[] = ['path', 'outbound'];

/** What the 200 to a REGISTER carries beside the headers of every response (RFC 3261 §10.3 step 8). */
export function acceptedHeaderFields(options: {
  readonly request: SipRequest;
  readonly source: RegisterSource;
  readonly order: RegisterOrder;
  readonly bindings: readonly Binding[];
  readonly nowMs: number;
  readonly policy: RegistrarPolicy;
}): HeaderField[] {
  const { request, source, order, bindings, nowMs, policy } = options;
  const fields = bindings.map((binding) => contactField(binding, nowMs));
  // RFC 3327 §5.3: the phone sees which proxies were put into its path.
  for (const field of request.headers) if (field.name === 'path') fields.push(field);
  if (order.outbound) {
    // RFC 5626 §6
    fields.push(headerField('Require', 'outbound'));
    if (order.firstHop) {
      const { datagramFlowTimerSeconds, streamFlowTimerSeconds } = policy;
      const seconds = source.transport === 'udp' ? datagramFlowTimerSeconds : streamFlowTimerSeconds;
      fields.push(headerField('Flow-Timer', String(seconds)));
    }
  }
  fields.push(
    headerField('Supported', supportedTags.join(', ')),
    // RFC 3261 §20.17, which allows no zone but GMT.
    headerField('Date', new Date(nowMs).toUTCString()),
  );
  return fields;
}

function contactField({ contactUri, contactParams, expiresAtMs }: Binding, nowMs: number): HeaderField {
  const seconds = Math.max(1, Math.floor((expiresAtMs - nowMs) / 1000));
  const params = [...contactParams, { name: 'expires', value: String(seconds) }];
  return headerField(
    'Contact',
    serializeNameAddr({ displayName: undefined, uri: contactUri, params, tag: undefined }),
  );
}

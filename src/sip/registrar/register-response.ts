import {
  type HeaderField,
  headerField,
  type Param,
  type SipRequest,
  serializeNameAddr,
} from '../message/index.ts';
import type { Binding } from './binding.ts';
import type { Gruus } from './gruu.ts';
import type { RegistrarPolicy } from './policy.ts';
import type { RegisterOrder } from './register-order.ts';
import type { RegisterSource } from './registration.ts';

/** Option tags that a REGISTER may require of us. */
export const supportedTags: readonly string[] = ['path', 'outbound', 'gruu'];

/** What the 200 to a REGISTER carries beside the headers of every response (RFC 3261 §10.3 step 8). */
export function acceptedHeaderFields(options: {
  readonly request: SipRequest;
  readonly source: RegisterSource;
  readonly order: RegisterOrder;
  readonly bindings: readonly Binding[];
  readonly nowMs: number;
  readonly policy: RegistrarPolicy;
  readonly aor: string;
  readonly gruus: Gruus | undefined;
  /** Of the proxies that the phone's requests are to pass, nearest first (RFC 3608 §5). */
  readonly serviceRoutes: readonly string[];
}): HeaderField[] {
  const { request, source, order, bindings, nowMs, policy, aor, serviceRoutes } = options;
  const gruus = order.gruu ? options.gruus : undefined;
  const fields = bindings.map((binding) => {
    const given = gruus === undefined ? [] : gruuParams(gruus, aor, binding);
    return contactField(binding, given, nowMs);
  });
  // RFC 3327 §5.3: the phone sees which proxies were put into its path.
  for (const field of request.headers) if (field.name === 'path') fields.push(field);
  for (const route of serviceRoutes) fields.push(headerField('Service-Route', `<${route}>`));
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

/** RFC 5627 §5.2: for each contact that has an instance-id, whichever request brought it. */
function gruuParams(gruus: Gruus, aor: string, binding: Binding): Param[] {
  if (binding.instanceId === undefined) return [];
  return [
    { name: 'pub-gruu', value: `"${gruus.publicUri(aor, binding.instanceId)}"` },
    { name: 'temp-gruu', value: `"${gruus.temporaryUri(aor, binding)}"` },
  ];
}

function contactField(binding: Binding, given: readonly Param[], nowMs: number): HeaderField {
  const { contactUri, contactParams, expiresAtMs } = binding;
  const seconds = Math.max(1, Math.floor((expiresAtMs - nowMs) / 1000));
  const params = [...contactParams, ...given, { name: 'expires', value: String(seconds) }];
  return headerField(
    'Contact',
    serializeNameAddr({ displayName: undefined, uri: contactUri, params, tag: undefined }),
  );
}

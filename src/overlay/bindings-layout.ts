import type { Binding, BindingParam, BindingsDocument } from './binding.ts';
import type { DocumentReader } from './document-bytes.ts';
import { type Layout, list, maybe, number, oneOf, structure, text } from './document-layout.ts';

const transport = oneOf('udp', 'tcp', 'tls', 'ws', 'wss');
const assurance = oneOf(0, 1, 2, 3);
const params = list(structure<BindingParam>({ name: text, value: maybe(text) }));
const texts = list(text);

const binding: Layout<Binding> = structure<Binding>({
  id: text,
  contactUri: text,
  contactParams: params,
  instanceId: maybe(text),
  regId: maybe(number),
  flowId: text,
  transport,
  observed: structure<Binding['observed']>({ address: text, port: number }),
  callId: text,
  cseq: number,
  expiresAtMs: number,
  qValue: number,
  path: texts,
  userAgent: maybe(text),
  registeredAtMs: number,
  refreshedAtMs: number,
  assurance,
  capabilities: texts,
  node: text,
  sequence: number,
});
/** Which of the members that may be undefined are not. */
const has = { instanceId: 1, regId: 2, userAgent: 4 };
const heads = 8;

/** Read member by member, in the order of `binding`: a call to somebody who is not called often reads it. */
export const bindingsLayout: Layout<BindingsDocument> = {
  ...structure<BindingsDocument>({ sequence: number, bindings: list(binding) }),
  read: (source) => ({ sequence: source.number(), bindings: source.list(readBinding) }),
};

function readBinding(source: DocumentReader): Binding {
  const head = source.head(heads);
  return {
    id: source.text(),
    contactUri: source.text(),
    contactParams: params.read(source),
    instanceId: head & has.instanceId ? source.text() : undefined,
    regId: head & has.regId ? source.number() : undefined,
    flowId: source.text(),
    transport: transport.read(source),
    observed: { address: source.text(), port: source.number() },
    callId: source.text(),
    cseq: source.number(),
    expiresAtMs: source.number(),
    qValue: source.number(),
    path: texts.read(source),
    userAgent: head & has.userAgent ? source.text() : undefined,
    registeredAtMs: source.number(),
    refreshedAtMs: source.number(),
    assurance: assurance.read(source),
    capabilities: texts.read(source),
    node: source.text(),
    sequence: source.number(),
  };
}

import type { Binding, BindingParam, BindingsDocument } from './binding.ts';
import {
  bigint,
  boolean,
  bytes,
  type Layout,
  list,
  maybe,
  number,
  omittable,
  oneOf,
  structure,
  text,
} from './document-layout.ts';
import type { DocumentKind, OverlayDocuments, StandingDocument } from './documents.ts';
import { identityLayout } from './identity-layout.ts';

const binding: Layout<Binding> = structure<Binding>({
  id: text,
  contactUri: text,
  contactParams: list(structure<BindingParam>({ name: text, value: maybe(text) })),
  instanceId: maybe(text),
  regId: maybe(number),
  flowId: text,
  transport: oneOf('udp', 'tcp', 'tls', 'ws', 'wss'),
  observed: structure<Binding['observed']>({ address: text, port: number }),
  callId: text,
  cseq: number,
  expiresAtMs: number,
  qValue: number,
  path: list(text),
  userAgent: maybe(text),
  registeredAtMs: number,
  refreshedAtMs: number,
  assurance: oneOf(0, 1, 2, 3),
  capabilities: list(text),
  node: text,
  sequence: number,
});

/** What is stored of each kind, in this order; the names are ours alone. Changing one needs a new format number. */
export const documentLayouts: { readonly [Kind in DocumentKind]: Layout<OverlayDocuments[Kind]> } = {
  identity: identityLayout,
  name: structure<OverlayDocuments['name']>({ fingerprint: text, publicKey: bytes }),
  alias: structure<OverlayDocuments['alias']>({ fingerprint: text }),
  standing: structure<StandingDocument>({
    verified: number,
    failed: number,
    lastProofAtMs: maybe(number),
    weights: omittable(
      structure<NonNullable<StandingDocument['weights']>>({ verified: number, failed: number }),
    ),
    revokedAtMs: maybe(number),
    tombstone: omittable(bytes),
  }),
  credential: structure<OverlayDocuments['credential']>({
    username: text,
    realm: text,
    fingerprint: text,
    ha1Md5: text,
    ha1Sha256: text,
    createdAtMs: number,
    ha1Sha512256: omittable(text),
  }),
  custody: structure<OverlayDocuments['custody']>({ seed: bytes }),
  bindings: structure<BindingsDocument>({ sequence: number, bindings: list(binding) }),
  endpoint: structure<OverlayDocuments['endpoint']>({
    sequence: bigint,
    address: text,
    port: number,
    behindNat: boolean,
    capabilities: list(text),
    issuedAtMs: number,
    expiresAtMs: number,
    record: bytes,
  }),
  node: structure<OverlayDocuments['node']>({
    token: bytes,
    record: bytes,
    sequence: bigint,
    mac: omittable(bytes),
  }),
  home: structure<OverlayDocuments['home']>({ token: text, issuedAt: number }),
  foreign: structure<OverlayDocuments['foreign']>({ domain: text, homeSince: number, publicKey: text }),
};

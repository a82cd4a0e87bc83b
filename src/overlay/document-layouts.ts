import { bindingsLayout } from './bindings-layout.ts';
import {
  bigint,
  boolean,
  bytes,
  type Layout,
  list,
  maybe,
  number,
  omittable,
  structure,
  text,
} from './document-layout.ts';
import type { DocumentKind, OverlayDocuments, StandingDocument } from './documents.ts';
import { identityLayout } from './identity-layout.ts';

/** What is stored of each kind, in this order; the names are ours alone. Changing one needs a new format number. */
export const documentLayouts: { readonly [Kind in DocumentKind]: Layout<OverlayDocuments[Kind]> } = {
  identity: identityLayout,
  name: {
    ...structure<OverlayDocuments['name']>({ fingerprint: text, publicKey: bytes }),
    read: (source) => ({ fingerprint: source.text(), publicKey: source.bytes() }),
  },
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
  bindings: bindingsLayout,
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

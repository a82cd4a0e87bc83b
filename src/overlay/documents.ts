import type { Fingerprint } from '../tokens/index.ts';
import type { Binding, BindingsDocument } from './binding.ts';

/** Who holds the secret key: the device itself, or the gateway for a phone that has none. */
export type Custody = 'device' | 'gateway';

/** Key: fingerprint. What was enrolled; what has become of the key since stands in `standing`. */
export interface IdentityDocument {
  readonly fingerprint: Fingerprint;
  readonly name: string;
  readonly publicKey: Uint8Array;
  /** The whole identity token. */
  readonly token: Uint8Array;
  readonly issuedAt: number;
  readonly notBefore: number;
  readonly expires: number;
  readonly custody: Custody;
  readonly aliases: readonly string[];
  readonly createdAtMs: number;
  readonly status: 'active' | 'pending';
  /** The community that has to confirm this identity. */
  readonly realm?: Fingerprint;
  /** Of a pseudonym that shows whose it is. */
  readonly parent?: Fingerprint;
  /** The identity that this one has named to take its place. */
  readonly successor?: Fingerprint;
  /** By which both keys have signed that. */
  readonly succession?: Uint8Array;
  /** Whose place it has taken, the latest last. */
  readonly predecessors?: readonly Fingerprint[];
}

/** Key: the whole name. The first key that claims a name keeps it. */
export interface NameDocument {
  readonly fingerprint: Fingerprint;
  readonly publicKey: Uint8Array;
}

/** Key: the alias. */
export interface AliasDocument {
  readonly fingerprint: Fingerprint;
}

/** Key: the public key in base64url. Trust and revocation follow the key, not one of its fingerprints. */
export interface StandingDocument {
  readonly verified: number;
  readonly failed: number;
  readonly lastProofAtMs: number | undefined;
  /** What these proofs weighed at the last one. */
  readonly weights?: { readonly verified: number; readonly failed: number };
  readonly revokedAtMs: number | undefined;
  /** Signed by the key itself; absent when an operator has revoked it. */
  readonly tombstone?: Uint8Array;
}

/** Key: the user name. H(A1) of RFC 7616 §3.4.2, good for one realm only; the password is not kept. */
export interface CredentialDocument {
  readonly username: string;
  readonly realm: string;
  readonly fingerprint: Fingerprint;
  readonly ha1Md5: string;
  readonly ha1Sha256: string;
  readonly ha1Sha512256?: string;
  readonly createdAtMs: number;
}

/** Key: fingerprint. The secret of an identity in the gateway's custody; never cached, listed or logged. */
export interface CustodyDocument {
  readonly seed: Uint8Array;
}

/** Key: fingerprint. The newest signed endpoint record; kept after it has expired, for its sequence number. */
export interface EndpointDocument {
  readonly sequence: bigint;
  readonly address: string;
  readonly port: number;
  readonly behindNat: boolean;
  readonly capabilities: readonly string[];
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly record: Uint8Array;
}

/** Key: fingerprint. Where another gateway that shares the store takes requests from its like. */
export interface NodeDocument {
  /** The gateway's identity token. */
  readonly token: Uint8Array;
  /** Its own signed endpoint record; the capability names the transport. */
  readonly record: Uint8Array;
  readonly sequence: bigint;
  /** HMAC-SHA256 over token and record under the gateways' common secret; absent without one. */
  readonly mac?: Uint8Array;
}

/** Key: fingerprint. The device's own word that this domain is its home: what other operators are shown. */
export interface HomeDocument {
  /** The intent token of a REGISTER, as a header field value. */
  readonly token: string;
  /** Seconds. */
  readonly issuedAt: number;
}

/** Key: a fingerprint, or `name@domain`. What was seen of an identity of another operator. */
export interface ForeignDocument {
  readonly domain: string;
  /** Seconds; no record from before counts any more. */
  readonly homeSince: number;
  /** In base64url. */
  readonly publicKey: string;
}

export interface OverlayDocuments {
  readonly identity: IdentityDocument;
  readonly name: NameDocument;
  readonly alias: AliasDocument;
  readonly standing: StandingDocument;
  readonly credential: CredentialDocument;
  readonly custody: CustodyDocument;
  readonly bindings: BindingsDocument;
  readonly endpoint: EndpointDocument;
  readonly node: NodeDocument;
  readonly home: HomeDocument;
  readonly foreign: ForeignDocument;
}

export type DocumentKind = keyof OverlayDocuments;

/** By what, besides its key, a document can be found; a store keeps these in step with the document. */
export interface IndexRule<Document> {
  readonly terms: (document: Document) => readonly string[];
  /** Whether two documents carry the same terms for sure, found out with less work: so it is with each refresh. */
  readonly haveSameTerms?: (before: Document, after: Document) => boolean;
  /** Whether nearly all documents carry this term, so that an index of it says little: a store may look at them all. */
  readonly isCommon?: (term: string) => boolean;
  /** When the sweep has to look at it. */
  readonly dueAtMs: (document: Document) => number | undefined;
}

export type IndexRules = { readonly [Kind in DocumentKind]: IndexRule<OverlayDocuments[Kind]> };

const nodeTermPrefix = 'node:';

export const term = {
  owner: (fingerprint: Fingerprint): string => `owner:${fingerprint}`,
  /** Flow ids are a node's own: two nodes may use the same. */
  flow: (node: string, flowId: string): string => `flow:${node}/${flowId}`,
  node: (node: string): string => nodeTermPrefix + node,
  /** Keys that were revoked on one day: what a gateway looks at to end what is in progress. */
  revokedOn: (day: number): string => `revoked:${day}`,
  capability: (capability: string): string => `can:${capability}`,
} as const;

/** Days since 1970. */
export function dayOf(ms: number): number {
  return Math.floor(ms / 86_400_000);
}

function hasSameTerms({ node, flowId, capabilities }: Binding, other: Binding | undefined): boolean {
  return (
    other?.node === node &&
    other.flowId === flowId &&
    other.capabilities.length === capabilities.length &&
    capabilities.every((capability, at) => capability === other.capabilities[at])
  );
}

const unindexed: IndexRule<unknown> = { terms: () => [], dueAtMs: () => undefined };

export const indexRules: IndexRules = {
  identity: unindexed,
  name: unindexed,
  alias: unindexed,
  standing: {
    terms: ({ revokedAtMs }) => (revokedAtMs === undefined ? [] : [term.revokedOn(dayOf(revokedAtMs))]),
    dueAtMs: () => undefined,
  },
  custody: unindexed,
  credential: {
    terms: (document) => [term.owner(document.fingerprint)],
    dueAtMs: () => undefined,
  },
  bindings: {
    terms: ({ bindings }) => [
      ...new Set(
        bindings.flatMap(({ node, flowId, capabilities }) => [
          term.flow(node, flowId),
          term.node(node),
          ...capabilities.map(term.capability),
        ]),
      ),
    ],
    haveSameTerms: (before, after) =>
      before.bindings.length === after.bindings.length &&
      before.bindings.every((binding, at) => hasSameTerms(binding, after.bindings[at])),
    isCommon: (term) => term.startsWith(nodeTermPrefix),
    dueAtMs: ({ bindings }) =>
      bindings.length === 0 ? undefined : Math.min(...bindings.map((binding) => binding.expiresAtMs)),
  },
  endpoint: {
    terms: ({ capabilities }) => capabilities.map(term.capability),
    dueAtMs: () => undefined,
  },
  node: unindexed,
  home: unindexed,
  foreign: unindexed,
};

export const documentKinds: readonly DocumentKind[] = [
  'identity',
  'name',
  'alias',
  'standing',
  'credential',
  'custody',
  'bindings',
  'endpoint',
  'node',
  'home',
  'foreign',
];

import type { ListenAddress, PeerTarget, TransportName, WebAddress } from './addresses.ts';
import type { AuthorityConfig, CallRuleConfig, HooksConfig, RealmConfig } from './admission.ts';
import type { LimitsConfig } from './limits.ts';
import type { MediaConfig } from './media.ts';
import type { PeerConfig } from './peers.ts';

/** The whole configuration: complete (every default filled in), checked, and frozen all the way down. */
export interface Config {
  /** The SIP domain that is served: `sip:alice@domain`. */
  readonly domain: string;
  /** Absolute directory of everything that the gateway keeps. */
  readonly dataDir: string;
  readonly listen: readonly ListenAddress[];
  /** What the gateway calls itself in Via and Record-Route, instead of the address that it listens on. */
  readonly advertise: string | undefined;
  readonly admin: AdminConfig;
  /** Certificate and key of the TLS and WSS listeners; present whenever one is configured. */
  readonly tls: TlsConfig | undefined;
  readonly websocket: WebSocketConfig;
  readonly proxyProtocol: ProxyProtocolConfig;
  readonly overlay: OverlayConfig;
  readonly audit: AuditConfig;
  readonly media: MediaConfig;
  readonly peers: readonly PeerConfig[];
  readonly auth: AuthConfig;
  readonly registrar: RegistrarConfig;
  readonly calls: CallsConfig;
  /** Parties whose word counts: realms, and issuers of claims. */
  readonly authorities: readonly AuthorityConfig[];
  /** Set when this gateway answers for a realm. */
  readonly realm: RealmConfig | undefined;
  /** The operator's own service that is asked about callers. */
  readonly hooks: HooksConfig | undefined;
  /** Calls to and from identities of other operators. */
  readonly federation: FederationConfig;
  readonly dns: DnsConfig;
  readonly limits: LimitsConfig;
  readonly log: LogConfig;
}

export interface AdminConfig {
  /** Undefined: no admin HTTP at all. */
  readonly listen: WebAddress | undefined;
}

/** Absolute paths of PEM files. */
export interface CertificateConfig {
  readonly cert: string;
  readonly key: string;
  /** Names that clients ask for; undefined: those in the certificate. */
  readonly hosts: readonly string[] | undefined;
}

export interface TlsConfig {
  readonly cert: string;
  readonly key: string;
  /** More of them, chosen by the name that a client asks for (SNI). */
  readonly certificates: readonly CertificateConfig[];
  /** Authorities that vouch for peers and clients; undefined: the system's, and no client. */
  readonly ca: string | undefined;
  /** Asks clients for a certificate; one that names an identity speaks for it. */
  readonly requestClientCertificate: boolean;
  /** How often the files are looked at for changes; 0: never. */
  readonly watchIntervalMs: number;
}

export interface WebSocketConfig {
  /** Origins that browsers may come from; empty: all. */
  readonly origins: readonly string[];
}

export interface ProxyProtocolConfig {
  /** Addresses and networks of balancers, whose connections start with a PROXY header. */
  readonly from: readonly string[];
}

export type StoreConfig =
  | { readonly kind: 'embedded' }
  /** `redis://` or `rediss://`; may hold a password, so never log it. */
  | {
      readonly kind: 'redis';
      readonly url: string;
      /** `host:port`; the host in `url` is then the name by which they know the primary. */
      readonly sentinels?: readonly string[];
    };

export interface OverlayConfig {
  readonly store: StoreConfig;
  /** `host:port`. */
  readonly sentinels: readonly string[];
  /** `open`: a key that nobody holds yet may take a free name; `approved`: only what an operator enrolled. */
  readonly enrolment: 'open' | 'approved';
  /** The program interface over HTTP. */
  readonly http: OverlayHttpConfig;
  /** How gateways that share a store reach and know each other. */
  readonly node: NodeConfig;
  /** For a `rediss://` store: absolute paths of PEM files. */
  readonly tls: StoreTlsConfig;
}

export interface OverlayHttpConfig {
  /** Undefined: not served. */
  readonly listen: WebAddress | undefined;
  /** What clients show as a bearer token; undefined on the loopback address only. */
  readonly secret?: string | undefined;
}

export interface NodeConfig {
  /** Where this gateway takes requests of the others; undefined: its first TLS or TCP listener. */
  readonly address?: PeerTarget | undefined;
  /** Shared by the gateways; undefined: whoever can write to the store is believed to be one. */
  readonly secret?: string | undefined;
}

export interface StoreTlsConfig {
  /** Authorities that vouch for the store; undefined: the system's. */
  readonly ca?: string | undefined;
  /** What the gateway shows of itself. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface AuditConfig {
  readonly enabled: boolean;
  /** First line of every checkpoint: the log's name, the same for ever. */
  readonly origin: string;
  /** A refresh of a registration that changes nothing leaves a record once in so long; 0: each time. */
  readonly refreshIntervalMs: number;
  readonly witnesses: WitnessesConfig;
}

/** Who countersigns checkpoints, so that nobody has to believe that there is only one log. */
export interface WitnessesConfig {
  /** A C2SP tlog-policy file whose witnesses have URLs; none: nobody is asked. */
  readonly policy?: string | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export type DigestAlgorithm = 'SHA-512-256' | 'SHA-256' | 'MD5';

export type DigestQop = 'auth' | 'auth-int';

export interface AuthConfig {
  /** Digest realm; changing it makes every minted credential useless. */
  readonly realm: string;
  /** Transports on which an authenticated flow's identity speaks for later requests on that flow. */
  readonly flowSpeaks: readonly TransportName[];
  /** Digest algorithms in the order in which they are offered, per transport. */
  readonly algorithms: Readonly<Record<TransportName, readonly DigestAlgorithm[]>>;
  /** The same for phones that are known to do better, whatever the transport. */
  readonly agents: readonly AgentConfig[];
  /** Offered protection, `auth-int` covers the body too. */
  readonly qop: readonly DigestQop[];
  /** How long a phone may answer with the same nonce before it is given a new one. */
  readonly nonceLifetimeMs: number;
}

export interface AgentConfig {
  /** How the phone's User-Agent starts. */
  readonly prefix: string;
  readonly algorithms: readonly DigestAlgorithm[];
}

/** Expiry values are seconds, as in SIP's Expires header field. */
export interface RegistrarConfig {
  readonly minExpires: number;
  readonly defaultExpires: number;
  readonly maxExpires: number;
  readonly maxBindingsPerIdentity: number;
  /** Whether phones that ask for GRUUs get them (RFC 5627). */
  readonly gruu: boolean;
  /** What phones are told to send their requests through (RFC 3608): SIP URIs with `lr`, or `self`. */
  readonly serviceRoute: readonly string[];
  /** Whole names of identities that may subscribe to the registrations of all others (RFC 3680). */
  readonly watchers: readonly string[];
}

export interface CallsConfig {
  /** Timer C (RFC 3261 §16.6 step 11): how long a callee may ring. */
  readonly ringTimeoutMs: number;
  /** How long a call waits for a phone that lost its connection while it rang. */
  readonly rejoinMs: number;
  /** Whether a 3xx to another identity of this domain is followed instead of passed to the caller. */
  readonly followRedirects: boolean;
  /** An answered call without a BYE for so long is taken for lost, and its record is closed. */
  readonly maxDurationMs: number;
  /** Calls that one identity may have up at a time. */
  readonly maxPerIdentity: number;
  readonly whenRevoked: 'cut' | 'keep';
  /** Beginnings of numbers that nobody may call through a peer. */
  readonly barred: readonly string[];
  /** Who may call whom; a callee whom no rule names is `unlisted`. */
  readonly rules: readonly CallRuleConfig[];
  readonly unlisted: 'allow' | 'deny';
}

/** Another operator's domain whose gateway is where it says here, whatever DNS says. */
export interface FederationDomain {
  readonly name: string;
  /** Where its records are. */
  readonly records: WebAddress;
  /** Where calls to it go. */
  readonly calls: PeerTarget;
}

export interface FederationConfig {
  readonly enabled: boolean;
  /** Where this gateway publishes its identities over HTTPS; undefined: nowhere. */
  readonly listen: WebAddress | undefined;
  /** Domains that are asked where a bare fingerprint lives. */
  readonly directories: readonly string[];
  /** Domains that are found without DNS. */
  readonly domains: readonly FederationDomain[];
  /** Whether members of realms are published: their tokens tell the realm. */
  readonly publishesRealms: boolean;
  /** Addresses and networks that may be asked although they are not public. */
  readonly allow: readonly string[];
  /** Absolute path of a PEM file; undefined: the system's authorities. */
  readonly ca?: string | undefined;
  /** `tls`: calls go between operators over TLS only. */
  readonly sip: 'tls' | 'any';
  /** How old an identity's own word about its home may be. */
  readonly maxAgeSeconds: number;
  /** How long what was found, or not found, is not asked for again. */
  readonly freshMs: number;
}

/** How names of peers are looked up. */
export interface DnsConfig {
  /** `address` or `address:port`; empty: the system's servers and its hosts file. */
  readonly servers: readonly string[];
  /** For one attempt at one server. */
  readonly timeoutMs: number;
  readonly tries: number;
}

export interface LogConfig {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
}

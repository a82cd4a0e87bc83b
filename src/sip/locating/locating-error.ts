export type LocatingErrorCode =
  /** The name exists nowhere, or has no address. */
  | 'not-found'
  /** DNS says that the service is decidedly not there (RFC 2782: a target of "."). */
  | 'not-offered'
  /** No name server answered in time. */
  | 'dns-timeout'
  /** A name server answered with a failure, or none could be asked. */
  | 'dns-failed'
  | 'aborted'
  | 'closed';

/** A next hop that led to no address. */
export class LocatingError extends Error {
  override readonly name = 'LocatingError';
  readonly code: LocatingErrorCode;
  /** The host or service name that was asked for. */
  readonly host: string;

  constructor(code: LocatingErrorCode, host: string, cause?: unknown) {
    super(`${host}: ${sentences[code]}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.host = host;
  }
}

const sentences: Readonly<Record<LocatingErrorCode, string>> = {
  'not-found': 'no such name or address',
  'not-offered': 'the service is not offered there',
  'dns-timeout': 'no name server answered in time',
  'dns-failed': 'the name servers could not say',
  aborted: 'the look-up was given up',
  closed: 'the locator is closed',
};

/** Our error for what `node:dns` rejected with. */
export function dnsError(host: string, cause: unknown): LocatingError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  switch (code) {
    case 'ENOTFOUND':
    case 'ENODATA':
    case 'EBADNAME':
      return new LocatingError('not-found', host, cause);
    case 'ETIMEOUT':
    case 'EAI_AGAIN':
      return new LocatingError('dns-timeout', host, cause);
    case 'ECANCELLED':
    case 'EDESTRUCTION':
      return new LocatingError('closed', host, cause);
    default:
      return new LocatingError('dns-failed', host, cause);
  }
}

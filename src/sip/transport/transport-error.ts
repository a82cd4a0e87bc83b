export type TransportErrorCode =
  | 'address-in-use'
  | 'address-not-available'
  | 'permission-denied'
  | 'name-not-found'
  | 'bind-failed'
  | 'no-listener'
  | 'tls-material'
  | 'connection-refused'
  | 'unreachable'
  | 'timeout'
  | 'certificate'
  | 'limit'
  | 'proxy-header'
  | 'connect-failed'
  | 'closed';

/** A socket that could not be opened; what fails on an open one is a counter and a closed flow. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly code: TransportErrorCode;
  /** The address that was meant, as `udp://127.0.0.1:5060`. */
  readonly address: string;

  constructor(code: TransportErrorCode, address: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.address = address;
  }
}

/** Our error for a failed `bind` or `listen`. */
export function bindError(address: string, cause: unknown): TransportError {
  switch (systemCode(cause)) {
    case 'EADDRINUSE':
      return new TransportError('address-in-use', address, `${address} is already in use`, cause);
    case 'EADDRNOTAVAIL':
      return new TransportError(
        'address-not-available',
        address,
        `${address} is no address of this machine`,
        cause,
      );
    case 'EACCES':
    case 'EPERM':
      return new TransportError('permission-denied', address, `${address} may not be opened`, cause);
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new TransportError('name-not-found', address, `${address} names no known host`, cause);
    default:
      return new TransportError('bind-failed', address, `${address} cannot be opened: ${text(cause)}`, cause);
  }
}

/** Our error for an outbound connection that did not come about. */
export function connectError(address: string, cause: unknown): TransportError {
  const code = systemCode(cause);
  switch (code) {
    case 'ECONNREFUSED':
      return new TransportError('connection-refused', address, `${address} refused the connection`, cause);
    case 'ENETUNREACH':
    case 'EHOSTUNREACH':
      return new TransportError('unreachable', address, `${address} cannot be reached`, cause);
    case 'ETIMEDOUT':
      return new TransportError('timeout', address, `${address} did not answer in time`, cause);
    default:
      break;
  }
  // OpenSSL's verification results and Node's host name check; neither is a failure of the network.
  if (code.startsWith('ERR_TLS') || code.includes('CERT') || code.includes('SIGNATURE')) {
    return new TransportError(
      'certificate',
      address,
      `${address}: certificate refused: ${text(cause)}`,
      cause,
    );
  }
  return new TransportError('connect-failed', address, `${address}: ${text(cause)}`, cause);
}

function systemCode(cause: unknown): string {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
}

function text(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

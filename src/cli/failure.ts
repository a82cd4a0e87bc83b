import { CommanderError } from 'commander';
import { ConfigError } from '../config/index.ts';
import { type ExitReason, exitCodes } from './exit-codes.ts';
import { areaHints, areaReasons } from './failure-codes.ts';

/** A failure that a user can do something about; `hint` says what. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly reason: ExitReason;
  readonly hint: string | undefined;

  constructor(reason: ExitReason, message: string, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
    this.hint = hint;
  }
}

export interface Explanation {
  readonly reason: ExitReason;
  /** Lines for standard error; none when commander has already spoken. */
  readonly lines: readonly string[];
}

/** What to tell the user about an error of any kind: never a stack trace. */
export function explain(error: unknown): Explanation {
  if (error instanceof CommanderError) return { reason: error.exitCode === 0 ? 'ok' : 'usage', lines: [] };
  if (error instanceof CliError) {
    const line = error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
    return { reason: error.reason, lines: [`tibet-sip: ${line}`] };
  }
  if (error instanceof ConfigError)
    return { reason: 'config', lines: error.message.split('\n').map((line) => `tibet-sip: config: ${line}`) };
  const { reason, text } = explainCode(error);
  return { reason, lines: [`tibet-sip: ${text}`] };
}

export function exitCodeOf(error: unknown): number {
  return exitCodes[explain(error).reason];
}

interface Line {
  readonly reason: ExitReason;
  readonly text: string;
}

function explainCode(error: unknown): Line {
  const message = error instanceof Error ? firstLine(error.message) : String(error);
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return {
        reason: 'unavailable',
        text: `${place(error)} is in use by another program; stop it, or configure another address`,
      };
    case 'EADDRNOTAVAIL':
      return { reason: 'unavailable', text: `${place(error)} is not an address of this machine` };
    case 'ECONNREFUSED':
    case 'ECONNRESET':
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENOTFOUND':
      return { reason: 'unavailable', text: `cannot connect: ${message}` };
    case 'EACCES':
    case 'EPERM':
      return { reason: 'storage', text: `permission denied: ${place(error)}` };
    case 'EROFS':
      return { reason: 'storage', text: `read-only file system: ${place(error)}` };
    case 'ENOSPC':
      return { reason: 'storage', text: `no space left on the device: ${place(error)}` };
    case 'ENOTDIR':
      return { reason: 'storage', text: `not a directory: ${place(error)}` };
    case 'EISDIR':
      return { reason: 'storage', text: `is a directory: ${place(error)}` };
    case 'ENOENT':
      return { reason: 'notFound', text: `no such file: ${place(error)}` };
    case 'EEXIST':
      return { reason: 'conflict', text: `exists already: ${place(error)}` };
    default:
      return explainArea(codeOf(error), message, error instanceof Error ? error.cause : undefined);
  }
}

function explainArea(code: string, message: string, cause: unknown): Line {
  const missing = code === 'file' && codeOf(cause) === 'ENOENT';
  const hint = lookUp(areaHints, code);
  return {
    reason: missing ? 'notFound' : (lookUp(areaReasons, code) ?? 'failure'),
    text: hint === undefined ? message : `${message}; ${hint}`,
  };
}

function lookUp<Value>(table: Readonly<Record<string, Value>>, code: string): Value | undefined {
  return Object.hasOwn(table, code) ? table[code] : undefined;
}

/** The string `code` of a system error or of one of our own error classes; '' without one. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** The file or socket address that a system error is about. */
function place(error: unknown): string {
  if (!(error instanceof Error)) return 'it';
  if ('path' in error && typeof error.path === 'string') return error.path;
  if ('address' in error && typeof error.address === 'string') {
    const port = 'port' in error && typeof error.port === 'number' ? `:${error.port}` : '';
    return `${error.address.includes(':') ? `[${error.address}]` : error.address}${port}`;
  }
  return firstLine(error.message);
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

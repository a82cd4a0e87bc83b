import { listItemEnd, skipClass, space, tokenChars } from './grammar.ts';
import { canonicalHeaderName, usualHeaderName } from './header-names.ts';
import type { MessageLimits } from './limits.ts';
import type { HeaderField } from './model.ts';
import { type PartialRequest, SipParseError } from './parse-error.ts';
import { reasonPhrase } from './status-reasons.ts';
import { parseVia, serializeVia, withViaSource } from './via.ts';

/** What a response must repeat (RFC 3261 §8.2.6.2). */
const repeated = ['via', 'from', 'to', 'call-id', 'cseq'];

/**
 * A second, forgiving reading of a message that was refused: undefined unless it is a request other than ACK that has
 * Via, From, To, Call-ID and CSeq, free of control bytes. Of what may occur only once the first is taken; a Via is
 * not parsed, since the answer goes where the request came from.
 */
export function readPartialRequest(text: string, limits: MessageLimits): PartialRequest | undefined {
  const methodEnd = skipClass(tokenChars, text, 0, text.length);
  const method = text.slice(0, methodEnd);
  if (methodEnd === 0 || text.charCodeAt(methodEnd) !== space || method === 'ACK') return undefined;
  const headers: HeaderField[] = [];
  const found = new Set<string>();
  const unfolded = text.slice(0, limits.maxHeaderBytes).replaceAll('\r\n ', '  ').replaceAll('\r\n\t', '  ');
  for (const line of unfolded.split('\r\n', limits.maxHeaderCount).slice(1)) {
    if (line === '') break;
    const colonAt = line.indexOf(':');
    const name = canonicalHeaderName(line.slice(0, Math.max(colonAt, 0)).trim());
    if (!repeated.includes(name) || (name !== 'via' && found.has(name))) continue;
    const value = line.slice(colonAt + 1).trim();
    if (hasControl(value)) return undefined;
    headers.push({ name, rawName: usualHeaderName(name), value });
    found.add(name);
  }
  return found.size === repeated.length ? { method, headers } : undefined;
}

function hasControl(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if ((code < 32 && code !== 9) || code === 127) return true;
  }
  return false;
}

export interface RejectionOptions {
  /** Added to a To without tag (RFC 3261 §8.2.6.2). */
  readonly toTag?: string;
  /** Where the request came from, for the topmost Via (RFC 3261 §18.2.1, RFC 3581 §4). */
  readonly source?: { readonly address: string; readonly port: number };
}

/** The bytes that answer a malformed request statelessly, or undefined when it cannot be answered. */
export function serializeRejection(
  error: SipParseError,
  reason: string = reasonPhrase(error.status),
  options: RejectionOptions = {},
): Uint8Array | undefined {
  if (error.partial === undefined) return undefined;
  let text = `SIP/2.0 ${error.status} ${reason}\r\n`;
  let top = true;
  for (const { name, rawName, value } of error.partial.headers) {
    let written = value;
    if (name === 'via' && top) {
      if (options.source !== undefined) written = withSource(value, options.source);
      top = false;
    } else if (name === 'to' && options.toTag !== undefined && !value.toLowerCase().includes('tag=')) {
      written = `${value};tag=${options.toTag}`;
    }
    text += `${rawName}: ${written}\r\n`;
  }
  return Buffer.from(`${text}Content-Length: 0\r\n\r\n`, 'latin1');
}

function withSource(value: string, source: { readonly address: string; readonly port: number }): string {
  const itemEnd = listItemEnd(value, 0, value.length);
  try {
    const via = withViaSource(parseVia(value, 0, itemEnd), source.address, source.port);
    return serializeVia(via) + value.slice(itemEnd);
  } catch (error) {
    if (error instanceof SipParseError) return value;
    throw error;
  }
}

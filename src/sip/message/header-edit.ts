import { type CoreFields, readCore } from './core-fields.ts';
import { isToken, listItemEnd, splitCommaList } from './grammar.ts';
import { canonicalHeaderName, usualHeaderName } from './header-names.ts';
import { defaultMessageLimits } from './limits.ts';
import type { HeaderField, SipMessage, SipRequest } from './model.ts';
import { parseVia, serializeVia, type Via } from './via.ts';

/**
 * A header field to be written, in the usual spelling of its name. Throws RangeError on a line break, on text that is
 * not latin1 (see `latin1Text`), and for Content-Length, which is always written from the body.
 */
export function headerField(name: string, value: string): HeaderField {
  const canonical = canonicalHeaderName(name);
  if (canonical === 'content-length' || !isToken(name))
    throw new RangeError(`header ${name} cannot be written`);
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code === 10 || code === 13 || code === 0 || code > 255) {
      throw new RangeError(`value of header ${name} cannot be written`);
    }
  }
  return { name: canonical, rawName: usualHeaderName(name), value };
}

/** The first value of a header (canonical name), or undefined. */
export function headerValue(message: SipMessage, name: string): string | undefined {
  for (const field of message.headers) if (field.name === name) return field.value;
  return undefined;
}

/** All values of a header (canonical name), one per field, lists not split. */
export function headerValues(message: SipMessage, name: string): string[] {
  const values: string[] = [];
  for (const field of message.headers) if (field.name === name) values.push(field.value);
  return values;
}

/** All items of a comma-separated header over all its fields (RFC 3261 §7.3.1). */
export function headerItems(message: SipMessage, name: string): string[] {
  const items: string[] = [];
  for (const field of message.headers) {
    if (field.name === name) items.push(...splitCommaList(field.value));
  }
  return items;
}

const coreNames = new Set(['via', 'from', 'to', 'call-id', 'cseq', 'max-forwards']);

/** A message with other headers; its typed fields are read from them again. */
export function withHeaders<M extends SipMessage>(message: M, headers: readonly HeaderField[]): M;
export function withHeaders(message: SipMessage, headers: readonly HeaderField[]): SipMessage {
  return rebuild(message, headers, readCore(headers, defaultMessageLimits));
}

function rebuild(message: SipMessage, headers: readonly HeaderField[], core: CoreFields): SipMessage {
  const { body } = message;
  const { callId, cseq, from, to, via } = core;
  if (message.kind === 'response') {
    const { status, reason } = message;
    return { kind: 'response', status, reason, headers, body, callId, cseq, from, to, via };
  }
  const { method, uri } = message;
  return {
    kind: 'request',
    method,
    uri,
    maxForwards: core.maxForwards,
    headers,
    body,
    callId,
    cseq,
    from,
    to,
    via,
  };
}

/** Other headers where only untyped ones changed. */
function sameCore<M extends SipMessage>(message: M, headers: readonly HeaderField[]): M {
  return { ...message, headers };
}

/** Puts a field before all others. */
export function prependHeader<M extends SipMessage>(message: M, field: HeaderField): M {
  const headers = [field, ...message.headers];
  return coreNames.has(field.name) ? withHeaders(message, headers) : sameCore(message, headers);
}

/** Puts fields behind all others. */
export function appendHeaders<M extends SipMessage>(message: M, fields: readonly HeaderField[]): M {
  return fields.length === 0 ? message : sameCore(message, [...message.headers, ...fields]);
}

/** Without any field of that canonical name; the headers that every message needs cannot be removed. */
export function removeHeaders<M extends SipMessage>(message: M, name: string): M {
  if (!message.headers.some((field) => field.name === name)) return message;
  const headers = message.headers.filter((field) => field.name !== name);
  return coreNames.has(name) ? withHeaders(message, headers) : sameCore(message, headers);
}

/** With exactly one field of that name: in the place of the first, or last. */
export function setHeader<M extends SipMessage>(message: M, name: string, value: string): M {
  const field = headerField(name, value);
  const headers: HeaderField[] = [];
  let placed = false;
  for (const old of message.headers) {
    if (old.name !== field.name) headers.push(old);
    else if (!placed) {
      headers.push(field);
      placed = true;
    }
  }
  if (!placed) headers.push(field);
  return coreNames.has(field.name) ? withHeaders(message, headers) : sameCore(message, headers);
}

function viaField(via: Via): HeaderField {
  return { name: 'via', rawName: 'Via', value: serializeVia(via) };
}

/** Adds a Via before all others (RFC 3261 §16.6 step 8). */
export function prependVia<M extends SipMessage>(message: M, via: Via): M {
  return { ...message, headers: [viaField(via), ...message.headers], via };
}

/** Replaces the topmost Via value; further values in the same field stay behind it. */
export function replaceTopVia<M extends SipMessage>(message: M, via: Via): M {
  const headers = message.headers.slice();
  const index = headers.findIndex((field) => field.name === 'via');
  const old = headers[index]?.value ?? '';
  const rest = old.slice(listItemEnd(old, 0, old.length));
  headers[index] = { name: 'via', rawName: 'Via', value: serializeVia(via) + rest };
  return { ...message, headers, via };
}

/** Without the topmost Via value, or undefined when it was the only one: such a response is for us (RFC 3261 §16.7). */
export function removeTopVia<M extends SipMessage>(message: M): M | undefined {
  const headers = message.headers.slice();
  const index = headers.findIndex((field) => field.name === 'via');
  const old = headers[index];
  if (old === undefined) return undefined;
  const itemEnd = listItemEnd(old.value, 0, old.value.length);
  if (itemEnd < old.value.length) {
    headers[index] = { name: 'via', rawName: old.rawName, value: old.value.slice(itemEnd + 1).trim() };
  } else {
    headers.splice(index, 1);
  }
  const next = headers.find((field) => field.name === 'via')?.value;
  if (next === undefined) return undefined;
  return { ...message, headers, via: parseVia(next, 0, listItemEnd(next, 0, next.length)) };
}

export function withRequestUri(request: SipRequest, uri: string): SipRequest {
  return { ...request, uri };
}

/** With another body; `contentType` undefined removes the Content-Type. */
export function withBody<M extends SipMessage>(
  message: M,
  body: Uint8Array,
  contentType: string | undefined,
): M {
  const typed =
    contentType === undefined
      ? removeHeaders(message, 'content-type')
      : setHeader(message, 'content-type', contentType);
  return { ...typed, body };
}

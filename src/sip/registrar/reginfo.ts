import { hash } from 'node:crypto';
import type { Binding } from './binding.ts';

/** Why a contact has the state that a document shows (RFC 3680 §5.2.3); those of the lower line end it. */
export type ContactEvent =
  | 'registered'
  | 'refreshed'
  | 'shortened'
  | 'unregistered'
  | 'expired'
  /** The registrar ended it, and the phone may register anew at once: its flow is gone. */
  | 'deactivated';

/** A binding as reg event documents need it; overlay and registrar bindings both are. */
export type ReginfoBinding = Pick<
  Binding,
  | 'id'
  | 'contactUri'
  | 'contactParams'
  | 'instanceId'
  | 'callId'
  | 'cseq'
  | 'expiresAtMs'
  | 'qValue'
  | 'registeredAtMs'
>;

/** A binding that is there, or (with one of the ending events) was until now. */
export interface ContactState {
  readonly binding: ReginfoBinding;
  readonly event: ContactEvent;
}

export interface ReginfoOptions {
  /** The address-of-record as a URI. */
  readonly aor: string;
  /** One higher in each document of one subscription, from 0 (RFC 3680 §5.2.1). */
  readonly version: number;
  readonly contacts: readonly ContactState[];
  readonly nowMs: number;
  /** RFC 5628: the public GRUU of an instance. */
  readonly publicGruu?: (instanceId: string) => string;
}

export const reginfoType = 'application/reginfo+xml';

const endings: ReadonlySet<ContactEvent> = new Set(['unregistered', 'expired', 'deactivated']);

/** The whole state of one address-of-record (RFC 3680 §5), as UTF-8. */
export function reginfoDocument(options: ReginfoOptions): Uint8Array {
  const { aor, version, contacts } = options;
  const active = contacts.some(({ event }) => !endings.has(event));
  const state = active ? 'active' : contacts.length > 0 ? 'terminated' : 'init';
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo" ' +
      `version="${version}" state="full">`,
    `  <registration aor="${escapeXml(aor)}" id="${shortId(aor)}" state="${state}">`,
    ...contacts.flatMap((contact) => contactLines(contact, options)),
    '  </registration>',
    '</reginfo>',
    '',
  ];
  return Buffer.from(lines.join('\n'), 'utf8');
}

function contactLines({ binding, event }: ContactState, { nowMs, publicGruu }: ReginfoOptions): string[] {
  const { id, contactUri, contactParams, instanceId, callId, cseq, qValue } = binding;
  const ended = endings.has(event);
  const attributes = [
    `id="${shortId(id)}"`,
    `state="${ended ? 'terminated' : 'active'}"`,
    `event="${event}"`,
    `duration-registered="${wholeSeconds(nowMs - binding.registeredAtMs)}"`,
    `expires="${ended ? 0 : wholeSeconds(binding.expiresAtMs - nowMs)}"`,
    `q="${(qValue / 1000).toFixed(3)}"`,
    `callid="${escapeXml(callId)}"`,
    `cseq="${cseq}"`,
  ];
  const lines = [`    <contact ${attributes.join(' ')}>`, `      <uri>${escapeXml(contactUri)}</uri>`];
  for (const { name, value } of contactParams) {
    // RFC 3680 §5.2.3: all header parameters but those that have an attribute.
    if (name !== 'q')
      lines.push(`      <unknown-param name="${escapeXml(name)}">${escapeXml(value ?? '')}</unknown-param>`);
  }
  if (instanceId !== undefined && publicGruu !== undefined)
    lines.push(`      <gr:pub-gruu uri="${escapeXml(publicGruu(instanceId))}"/>`);
  lines.push('    </contact>');
  return lines;
}

function wholeSeconds(milliseconds: number): number {
  return Math.max(0, Math.floor(milliseconds / 1000));
}

/** The same for the same binding in every document, and short whatever the phone's Contact is like. */
function shortId(text: string): string {
  return `c${hash('sha256', text).slice(0, 16)}`;
}

/** Header text may hold bytes that XML 1.0 has no place for at all. */
function escapeXml(headerText: string): string {
  let text = '';
  for (let i = 0; i < headerText.length; i++) {
    const char = headerText.charAt(i);
    const code = headerText.charCodeAt(i);
    if (char === '&') text += '&amp;';
    else if (char === '<') text += '&lt;';
    else if (char === '>') text += '&gt;';
    else if (char === '"') text += '&quot;';
    else text += code < 32 && code !== 9 ? '\ufffd' : char;
  }
  return text;
}

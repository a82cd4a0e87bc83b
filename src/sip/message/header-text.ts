/** The UTF-8 bytes of a text as latin1 text: what a display name or reason in any language becomes in a header. */
export function latin1Text(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** What people read: header text as UTF-8, or as it is when its bytes are no UTF-8. */
export function utf8Text(headerText: string): string {
  const decoded = Buffer.from(headerText, 'latin1').toString('utf8');
  return decoded.includes('\ufffd') ? headerText : decoded;
}

/**
 * The same text in memory of its own. What a parser cuts out of a message keeps that message's whole text alive: copy
 * what outlives the call, such as a binding's Contact.
 */
export function ownText(headerText: string): string {
  return Buffer.from(headerText, 'latin1').toString('latin1');
}

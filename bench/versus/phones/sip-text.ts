import { createHash, randomBytes } from 'node:crypto';

/** What the load generator knows of SIP: texts with places to fill in. Nothing of the gateway's own SIP is used. */

const lineEnd = '\r\n';

/** Both programs under test write the usual names, in the usual case. */
export function field(text: string, name: string): string {
  const start = text.indexOf(`${lineEnd}${name}: `);
  if (start < 0) return '';
  const valueStart = start + name.length + 4;
  return text.slice(valueStart, text.indexOf(lineEnd, valueStart));
}

/** All fields of that name, each a whole line with its end. */
export function fieldLines(text: string, name: string): string {
  let lines = '';
  const head = `${lineEnd}${name}: `;
  for (let at = text.indexOf(head); at >= 0; at = text.indexOf(head, at + head.length))
    lines += text.slice(at + 2, text.indexOf(lineEnd, at + 2) + 2);
  return lines;
}

/** The values of all fields of that name, in the order in which they stand. */
export function fieldValues(text: string, name: string): readonly string[] {
  return fieldLines(text, name)
    .split(lineEnd)
    .filter(Boolean)
    .flatMap((line) => line.slice(name.length + 2).split(/,\s*(?=<)/));
}

export const isResponse = (text: string): boolean => text.startsWith('SIP/2.0 ');
export const statusOf = (text: string): number => Number(text.slice(8, 11));
export const methodOf = (text: string): string => text.slice(0, text.indexOf(' '));
export const callIdOf = (text: string): string => field(text, 'Call-ID');

let serial = 0;
/** Unique on this machine; two generators may run at once. */
const mine = randomBytes(4).toString('hex');
export const newBranch = (): string => `z9hG4bK${mine}.${++serial}`;
export const newCallId = (): string => `${mine}-${++serial}`;

/** One request: start line, the given lines and no body, or one of a session description. */
export function message(startLine: string, lines: readonly string[], body = ''): string {
  const type = body === '' ? '' : `Content-Type: application/sdp${lineEnd}`;
  return `${startLine}${lineEnd}${lines.join(lineEnd)}${lineEnd}${type}Content-Length: ${body.length}${lineEnd}${lineEnd}${body}`;
}

/** As SIPp's phones describe themselves in the other rows. */
export const sessionDescription = (address: string): string =>
  [
    'v=0',
    `o=load 1 1 IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    'm=audio 6000 RTP/AVP 0',
    'a=rtpmap:0 PCMU/8000',
    '',
  ].join(lineEnd);

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

/** RFC 7616 with MD5 and qop=auth, as stock phones answer. */
export function authorization(
  challenge: string,
  user: { readonly name: string; readonly password: string },
  method: string,
  uri: string,
): string {
  const param = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1] ?? '';
  const [realm, nonce, opaque] = [param('realm'), param('nonce'), param('opaque')];
  const cnonce = newBranch();
  const ha1 = md5(`${user.name}:${realm}:${user.password}`);
  const response = md5(`${ha1}:${nonce}:00000001:${cnonce}:auth:${md5(`${method}:${uri}`)}`);
  return (
    `Digest username="${user.name}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", ` +
    `algorithm=MD5, qop=auth, nc=00000001, cnonce="${cnonce}"${opaque === '' ? '' : `, opaque="${opaque}"`}`
  );
}

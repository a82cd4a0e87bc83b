/** A header name that this stack knows: its canonical form, its usual spelling, and whether it may occur only once. */
export interface KnownHeader {
  readonly name: string;
  readonly rawName: string;
  /** A bit for a header that may occur only once, else 0. */
  readonly onceBit: number;
}

const usualNames = [
  'Via',
  'From',
  'To',
  'Call-ID',
  'CSeq',
  'Max-Forwards',
  'Content-Length',
  'Content-Type',
  'Expires',
  'Contact',
  'Route',
  'Record-Route',
  'Path',
  'Service-Route',
  'Authorization',
  'Proxy-Authorization',
  'WWW-Authenticate',
  'Proxy-Authenticate',
  'Authentication-Info',
  'Accept',
  'Accept-Encoding',
  'Accept-Language',
  'Alert-Info',
  'Allow',
  'Allow-Events',
  'Call-Info',
  'Content-Disposition',
  'Content-Encoding',
  'Content-Language',
  'Date',
  'Diversion',
  'Event',
  'Error-Info',
  'Flow-Timer',
  'History-Info',
  'Identity',
  'In-Reply-To',
  'Intent-Token',
  'Join',
  'MIME-Version',
  'Min-Expires',
  'Min-SE',
  'Organization',
  'P-Access-Network-Info',
  'P-Asserted-Identity',
  'P-Associated-URI',
  'P-Early-Media',
  'P-Preferred-Identity',
  'Priority',
  'Privacy',
  'Proxy-Require',
  'RAck',
  'Reason',
  'Refer-Sub',
  'Refer-To',
  'Referred-By',
  'Remote-Party-ID',
  'Replaces',
  'Reply-To',
  'Request-Disposition',
  'Require',
  'Retry-After',
  'RSeq',
  'Server',
  'Session-Expires',
  'Session-ID',
  'SIP-ETag',
  'SIP-If-Match',
  'Subject',
  'Subscription-State',
  'Supported',
  'Target-Dialog',
  'Timestamp',
  'Unsupported',
  'User-Agent',
  'Warning',
  'Accept-Contact',
  'Reject-Contact',
] as const;

/** RFC 3261 §7.3.3 and the IANA registry of compact forms. */
const compactForms: Readonly<Record<string, string>> = {
  a: 'accept-contact',
  b: 'referred-by',
  c: 'content-type',
  d: 'request-disposition',
  e: 'content-encoding',
  f: 'from',
  i: 'call-id',
  j: 'reject-contact',
  k: 'supported',
  l: 'content-length',
  m: 'contact',
  n: 'identity-info',
  o: 'event',
  r: 'refer-to',
  s: 'subject',
  t: 'to',
  u: 'allow-events',
  v: 'via',
  x: 'session-expires',
  y: 'identity',
};

/** A second one would leave open which of the two routes, signs or frames the message. */
const onlyOnce = [
  'from',
  'to',
  'call-id',
  'cseq',
  'max-forwards',
  'content-length',
  'content-type',
  'expires',
  'intent-token',
];

/**
 * Known names by a hash of length, first and last letter, so that a name is found where it stands in the message,
 * without a slice or a lower-cased copy of it.
 */
const buckets: KnownHeader[][] = Array.from({ length: 256 }, () => []);

/** Names are tokens: on these, setting bit 5 folds the case of letters and joins no other two characters. */
function bucketOf(text: string, from: number, end: number): number {
  const first = text.charCodeAt(from) | 32;
  const last = text.charCodeAt(end - 1) | 32;
  return ((end - from) * 17 + first * 5 + last) & 255;
}

function addSpelling(rawName: string, name: string): void {
  const once = onlyOnce.indexOf(name);
  const known: KnownHeader = { name, rawName, onceBit: once < 0 ? 0 : 1 << once };
  buckets[bucketOf(rawName, 0, rawName.length)]?.push(known);
}

for (const usual of usualNames) addSpelling(usual, usual.toLowerCase());
for (const [short, name] of Object.entries(compactForms)) addSpelling(short, name);

const usualByName = new Map<string, string>(usualNames.map((usual) => [usual.toLowerCase(), usual]));

/** The known header whose name, in any case, is the token `text[from, end)`; undefined for a foreign header. */
export function findKnownHeader(text: string, from: number, end: number): KnownHeader | undefined {
  const bucket = buckets[bucketOf(text, from, end)];
  if (bucket === undefined) return undefined;
  for (const known of bucket) if (isSpelledLike(known.rawName, text, from, end)) return known;
  return undefined;
}

function isSpelledLike(rawName: string, text: string, from: number, end: number): boolean {
  if (rawName.length !== end - from) return false;
  for (let i = 0; i < rawName.length; i++) {
    if ((rawName.charCodeAt(i) | 32) !== (text.charCodeAt(from + i) | 32)) return false;
  }
  return true;
}

/** Canonical lower-case long name of any spelling. */
export function canonicalHeaderName(spelling: string): string {
  return findKnownHeader(spelling, 0, spelling.length)?.name ?? spelling.toLowerCase();
}

/** How this stack writes a header name: the RFC's spelling where one is known, else as given. */
export function usualHeaderName(name: string): string {
  return usualByName.get(canonicalHeaderName(name)) ?? name;
}

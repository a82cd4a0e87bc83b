/** Part of a description's text: from `start` up to, not including, `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A `c=` line (RFC 8866 §5.7). */
export interface Connection {
  /** The whole line with its line end. */
  readonly span: Span;
  readonly family: 4 | 6;
  /** An IP address or a host name, without TTL and number of addresses. */
  readonly address: string;
}

/** An `a=` line (RFC 8866 §5.13). */
export interface Attribute {
  /** The whole line with its line end. */
  readonly span: Span;
  readonly name: string;
  /** Behind the colon; empty for a flag. */
  readonly value: string;
}

/** One `m=` line and what belongs to it (RFC 8866 §5.14). */
export interface MediaSection {
  readonly kind: string;
  /** 0: refused or ended (RFC 3264 §6). */
  readonly port: number;
  /** `49170/2` asks for two pairs of ports. */
  readonly portCount: number;
  readonly portSpan: Span;
  readonly protocol: string;
  readonly formats: readonly string[];
  readonly connection: Connection | undefined;
  readonly attributes: readonly Attribute[];
  /** Where a `c=` line may be put: behind the m-line and its `i=`. */
  readonly connectionAt: number;
  /** Behind its last line. */
  readonly end: number;
}

/** A session description and where in it the lines are that a media relay has to do with. */
export interface SessionDescription {
  /** Latin1: one character for one byte, so that all that is not rewritten passes as it came. */
  readonly text: string;
  /** As the description itself ends its lines. */
  readonly lineEnd: '\r\n' | '\n';
  readonly connection: Connection | undefined;
  readonly attributes: readonly Attribute[];
  readonly media: readonly MediaSection[];
}

/** RFC 3264 §5.1: which way media flows, seen from who wrote the description. */
export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

const directions: readonly string[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive'];

/** That of the section, else that of the session, else `sendrecv` (RFC 8866 §6.7). */
export function directionOf(description: SessionDescription, section: MediaSection): Direction {
  const isDirection = ({ name }: Attribute): boolean => directions.includes(name);
  const found = section.attributes.find(isDirection) ?? description.attributes.find(isDirection);
  return (found?.name as Direction | undefined) ?? 'sendrecv';
}

/** The connection that a section uses: its own, else the session's. */
export function connectionOf(description: SessionDescription, section: MediaSection): Connection | undefined {
  return section.connection ?? description.connection;
}

export function attributeOf(attributes: readonly Attribute[], name: string): string | undefined {
  return attributes.find((attribute) => attribute.name === name)?.value;
}

/** Whether a section or its session has an attribute of that name. */
export function hasAttribute(description: SessionDescription, section: MediaSection, name: string): boolean {
  return (
    attributeOf(section.attributes, name) !== undefined ||
    attributeOf(description.attributes, name) !== undefined
  );
}

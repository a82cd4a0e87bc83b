import { RtpengineError } from './rtpengine-error.ts';

/** Text is latin1: one character for one byte. */
export type Bencoded = string | number | readonly Bencoded[] | BencodedDictionary;
export type BencodedDictionary = ReadonlyMap<string, Bencoded>;

/** What is to be encoded: a plain object is a dictionary, without its undefined members. */
export type ToBencode =
  | string
  | number
  | readonly ToBencode[]
  | { readonly [key: string]: ToBencode | undefined };

/** A query nests seven deep; nothing deeper is looked at. */
const maxDepth = 16;
/** Of lists and dictionaries together: what a full datagram of a query holds, several times over. */
const maxItems = 20_000;

const digit0 = 48;
const digit9 = 57;
const colon = 58;
const minus = 45;
const letterD = 100;
const letterE = 101;
const letterI = 105;
const letterL = 108;

export function encodeBencode(value: ToBencode): string {
  if (typeof value === 'string') return `${value.length}:${value}`;
  if (typeof value === 'number') return `i${value}e`;
  if (isList(value)) return `l${value.map(encodeBencode).join('')}e`;
  let text = 'd';
  for (const [key, member] of Object.entries(value))
    if (member !== undefined) text += encodeBencode(key) + encodeBencode(member);
  return `${text}e`;
}

function isList(value: object): value is readonly ToBencode[] {
  return Array.isArray(value);
}

/**
 * Reads one value that takes up all of `text`. Strict, but for the order of keys, which rtpengine does not keep;
 * throws RtpengineError.
 */
export function decodeBencode(text: string): Bencoded {
  const reader = new Reader(text);
  const value = reader.value(0);
  if (reader.at !== text.length) throw new RtpengineError('bad-bencode');
  return value;
}

class Reader {
  at = 0;
  readonly #text: string;
  #items = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): Bencoded {
    if (depth > maxDepth || ++this.#items > maxItems) throw new RtpengineError('too-large');
    switch (this.#text.charCodeAt(this.at)) {
      case letterI:
        this.at++;
        return this.#integer(letterE);
      case letterL:
        this.at++;
        return this.#list(depth);
      case letterD:
        this.at++;
        return this.#dictionary(depth);
      default:
        return this.#string();
    }
  }

  #list(depth: number): readonly Bencoded[] {
    const list: Bencoded[] = [];
    while (!this.#ends()) list.push(this.value(depth + 1));
    return list;
  }

  #dictionary(depth: number): BencodedDictionary {
    const members = new Map<string, Bencoded>();
    while (!this.#ends()) {
      const key = this.#string();
      if (members.has(key)) throw new RtpengineError('bad-bencode');
      members.set(key, this.value(depth + 1));
    }
    return members;
  }

  #ends(): boolean {
    if (this.#text.charCodeAt(this.at) !== letterE) return false;
    this.at++;
    return true;
  }

  #string(): string {
    const length = this.#integer(colon);
    const end = this.at + length;
    if (length < 0 || end > this.#text.length) throw new RtpengineError('bad-bencode');
    const text = this.#text.slice(this.at, end);
    this.at = end;
    return text;
  }

  /** No leading zeros, no `-0`, nothing beyond 2^53. */
  #integer(terminator: number): number {
    const negative = terminator === letterE && this.#text.charCodeAt(this.at) === minus;
    const start = negative ? this.at + 1 : this.at;
    let value = 0;
    let at = start;
    for (; ; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === terminator) break;
      // Also past the end, where the code is NaN.
      if (!(code >= digit0 && code <= digit9)) throw new RtpengineError('bad-bencode');
      value = value * 10 + (code - digit0);
      if (value > Number.MAX_SAFE_INTEGER) throw new RtpengineError('bad-bencode');
    }
    const leadingZero = this.#text.charCodeAt(start) === digit0;
    if (at === start || (leadingZero && (at > start + 1 || negative)))
      throw new RtpengineError('bad-bencode');
    this.at = at + 1;
    return negative ? -value : value;
  }
}

import { hash, hkdfSync, timingSafeEqual } from 'node:crypto';
import {
  asBuffer,
  decodeBase32,
  decodeBase64Url,
  encodeBase32,
  HmacSha256,
  type Random,
} from '../../base/index.ts';
import { OpenedTokens } from './opened-tokens.ts';

export interface FlowTokenKey {
  /** 0 to 255; a new secret takes a new id. */
  readonly id: number;
  /** At least 32 random bytes. */
  readonly secret: Uint8Array;
}

/** The two flows of a dialog, each seen from the request that made it. */
export interface FlowTokenFields {
  readonly callerFlow: string;
  readonly calleeFlow: string;
  /** Up to 255 bytes of UTF-8. 52 characters of base32 (a 256-bit fingerprint) take only 32 bytes. */
  readonly callerIdentity?: string | undefined;
  readonly calleeIdentity?: string | undefined;
}

export interface FlowTokenContents {
  /** The gateway that holds the flows. */
  readonly node: string;
  readonly callerFlow: string;
  readonly calleeFlow: string;
  readonly callerIdentity: string | undefined;
  readonly calleeIdentity: string | undefined;
}

export type FlowTokenFault = 'malformed' | 'forged' | 'unknown-key';

const version = 2;
const macBytes = 32;
/** Version and key id. */
const prefixBytes = 2;
/** At random: two of 2^32 tokens of one key have the same with a probability of 2^-33. */
const nonceBytes = 12;
const sealedAt = prefixBytes + nonceBytes;
const keyBytes = 32;
/** No token of ours is longer; bounds the work that a stranger's Route can cause. */
const maxTokenLength = 1024;
const fingerprintLength = 52;
/** What a length byte means for an identity: absent, or 32 bytes of base32. Any other value counts UTF-8 bytes. */
const absent = 0;
const packedFingerprint = 0xff;
const context = 'sip-flow-token 2 ';
/** No token spells this: SIPp takes the first one anywhere in a response for the header field, one token in 80,000. */
const headerName = 'CSeq';

interface Keys {
  readonly mac: HmacSha256;
  /** Followed by room for the nonce. */
  readonly seal: Buffer;
}

/**
 * Flow tokens (RFC 5626 §5.2): the user part of the Record-Route that leads a dialog's requests back to its flows.
 * base64url of version, key id, nonce, sealed contents, and the full HMAC-SHA256 over all of it. Both parties of a call
 * see the token: it tells neither who the other is nor whether two calls are the same person's, who may have called from
 * temporary GRUUs (RFC 5627). The contents, node, two flow ids and two identities, are sealed with the output of
 * SHAKE256 (FIPS 202) over key and nonce, at a third of what a cipher costs in Node for so few bytes.
 */
export class FlowTokens {
  readonly #node: string;
  #mintingKey = 0;
  readonly #random: Random;
  readonly #keys = new Map<number, Keys>();
  /** Where a token is made: five fields of up to 255 bytes with their lengths at most. */
  readonly #minting = Buffer.allocUnsafeSlow(sealedAt + 5 * 256 + macBytes);
  /** The same before it is sealed. */
  readonly #plain = Buffer.allocUnsafeSlow(5 * 256);
  readonly #opened = new OpenedTokens();

  /** Mints with the first key, opens with any: a rotation puts the new key first and later drops the old one. */
  constructor(options: {
    readonly keys: readonly FlowTokenKey[];
    readonly node: string;
    readonly random: Random;
  }) {
    this.#node = options.node;
    this.#random = options.random;
    this.rekey(options.keys);
  }

  /** From now on these keys count, in the same order of meaning; what was minted with others opens no more. */
  rekey(keys: readonly FlowTokenKey[]): void {
    const [first] = keys;
    if (first === undefined) throw new RangeError('flow tokens need a key');
    this.#keys.clear();
    this.#opened.clear();
    for (const { id, secret } of keys) {
      if (!Number.isInteger(id) || id < 0 || id > 255)
        throw new RangeError('flow token key id is not a byte');
      if (secret.length < 32) throw new RangeError('flow token secret is shorter than 32 bytes');
      this.#keys.set(id, keysOf(secret));
    }
    this.#mintingKey = first.id;
  }

  /** `[A-Za-z0-9_-]`: about 120 characters for two flows, 43 more for each fingerprint. Never the same twice. */
  mint(fields: FlowTokenFields): string {
    const length = this.#write(fields);
    const token = this.#sealed(length);
    if (token.includes(headerName)) return this.mint(fields);
    this.#opened.keep(token, this.#plain.subarray(0, length));
    return token;
  }

  /** The contents of a token of ours. The MAC is checked before anything behind the key id is read. */
  open(text: string): FlowTokenContents | FlowTokenFault {
    if (text.length > maxTokenLength) return 'malformed';
    const known = this.#opened.get(text);
    if (known !== undefined) return readFields(known);
    const bytes = decodeBase64Url(text);
    if (bytes === undefined || bytes.length < sealedAt + macBytes || bytes[0] !== version) return 'malformed';
    const keys = this.#keys.get(bytes[1] ?? -1);
    if (keys === undefined) return 'unknown-key';
    const payload = bytes.subarray(0, -macBytes);
    const mac = Buffer.from(keys.mac.of(context, payload), 'latin1');
    if (!timingSafeEqual(mac, bytes.subarray(-macBytes))) return 'forged';
    applySeal(keys.seal, payload);
    const contents = asBuffer(payload).subarray(sealedAt);
    this.#opened.keep(text, contents);
    return readFields(contents);
  }

  /** What the token holds, into `#plain`; returns its length. */
  #write({ callerFlow, calleeFlow, callerIdentity, calleeIdentity }: FlowTokenFields): number {
    const bytes = this.#plain;
    let end = writeText(bytes, 0, this.#node);
    end = writeText(bytes, end, callerFlow);
    end = writeText(bytes, end, calleeFlow);
    end = writeIdentity(bytes, end, callerIdentity);
    return writeIdentity(bytes, end, calleeIdentity);
  }

  #sealed(length: number): string {
    const keys = this.#keys.get(this.#mintingKey);
    if (keys === undefined) throw new RangeError('flow tokens need a key');
    const bytes = this.#minting;
    bytes[0] = version;
    bytes[1] = this.#mintingKey;
    bytes.set(this.#random.bytes(nonceBytes), prefixBytes);
    bytes.set(this.#plain.subarray(0, length), sealedAt);
    let end = sealedAt + length;
    const payload = bytes.subarray(0, end);
    applySeal(keys.seal, payload);
    end += bytes.write(keys.mac.of(context, payload), end, 'latin1');
    return bytes.toString('base64url', 0, end);
  }
}

function keysOf(secret: Uint8Array): Keys {
  const derived = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, '', `${context}${purpose}`, keyBytes));
  return {
    mac: new HmacSha256(derived('mac')),
    seal: Buffer.concat([derived('seal'), Buffer.alloc(nonceBytes)]),
  };
}

/** Seals what follows the nonce, in place; or opens it again. */
function applySeal(seal: Buffer, payload: Uint8Array): void {
  seal.set(payload.subarray(prefixBytes, sealedAt), keyBytes);
  const outputLength = payload.length - sealedAt;
  if (outputLength === 0) return;
  const stream = hash('shake256', seal, { outputEncoding: 'latin1', outputLength });
  for (let i = 0; i < outputLength; i++)
    payload[sealedAt + i] = (payload[sealedAt + i] ?? 0) ^ stream.charCodeAt(i);
}

/** Both return the index behind what they have written. */
function writeText(bytes: Buffer, at: number, text: string): number {
  const length = Buffer.byteLength(text);
  if (length >= packedFingerprint) throw new RangeError('flow token field is longer than 254 bytes');
  bytes[at] = length;
  bytes.write(text, at + 1, 'utf8');
  return at + 1 + length;
}

function writeIdentity(bytes: Buffer, at: number, identity: string | undefined): number {
  const packed = identity?.length === fingerprintLength ? decodeBase32(identity) : undefined;
  if (packed === undefined) return writeText(bytes, at, identity ?? '');
  bytes[at] = packedFingerprint;
  bytes.set(packed, at + 1);
  return at + 1 + packed.length;
}

function readFields(contents: Buffer): FlowTokenContents {
  let at = 0;
  const take = (length: number): string => {
    at += length;
    return contents.toString('utf8', at - length, at);
  };
  const text = (): string => take(contents[at++] ?? 0);
  const identity = (): string | undefined => {
    const length = contents[at++] ?? absent;
    if (length === absent) return undefined;
    if (length !== packedFingerprint) return take(length);
    at += 32;
    return encodeBase32(contents.subarray(at - 32, at));
  };
  return {
    node: text(),
    callerFlow: text(),
    calleeFlow: text(),
    callerIdentity: identity(),
    calleeIdentity: identity(),
  };
}

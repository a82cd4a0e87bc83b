import { createCipheriv, createDecipheriv, createSecretKey, hash, type KeyObject } from 'node:crypto';
import {
  decodeBase32,
  decodeBase64Url,
  encodeBase32,
  encodeBase64Url,
  encodeHex,
  type Random,
} from '../../base/index.ts';
import {
  createSipUri,
  hasParam,
  paramValue,
  type SipUri,
  serializeUri,
  unescapeUri,
} from '../message/index.ts';
import type { Binding } from './binding.ts';

/** Which phone a GRUU means: of this address-of-record, and of its bindings those that `accepts` takes. */
export interface GruuTarget {
  readonly kind: 'public' | 'temporary';
  /** Public ones carry it as their user part, temporary ones under a cipher. */
  readonly aor: string;
  accepts(binding: GruuBinding): boolean;
  /** Whether the binding is of the same phone, though a temporary GRUU may be out of date for it. */
  isOfPhone(binding: GruuBinding): boolean;
}

/** What decides whether a binding is meant by a GRUU. */
export type GruuBinding = Pick<Binding, 'instanceId' | 'callId' | 'registeredAtMs'>;

export interface GruusOptions {
  /** The domain of the addresses-of-record. */
  readonly domain: string;
  /** 32 bytes; kept over restarts, or temporary GRUUs end with the process. */
  readonly secret: Uint8Array;
  readonly random: Random;
}

const version = 1;
const nonceBytes = 12;
const tagBytes = 16;
const markBytes = 8;
const timeBytes = 6;
/** An address-of-record that is a 256-bit fingerprint takes 32 bytes instead of 52 characters. */
const packedLength = 0xff;
const fingerprintLength = 52;
/** No temporary GRUU of ours has a longer user part; bounds the work that a stranger's URI can cause. */
const maxUserLength = 512;
const context = Buffer.from('tibet-sip temporary gruu 1');

/**
 * Globally routable user agent URIs (RFC 5627). The public one is the address-of-record with the instance-id in `gr`.
 * A temporary one has a user part that nobody else can read, link or forge (AES-256-GCM under a fresh nonce), and
 * holds by itself all that its validity rests on: the instance, the Call-ID under which it was given out, and how
 * long that registration was to last. So nothing is stored for it.
 */
export class Gruus {
  readonly #domain: string;
  readonly #key: KeyObject;
  readonly #random: Random;

  constructor(options: GruusOptions) {
    if (options.secret.length !== 32)
      throw new RangeError('the secret of temporary GRUUs must have 32 bytes');
    this.#domain = options.domain;
    this.#key = createSecretKey(options.secret);
    this.#random = options.random;
  }

  /** RFC 5627 §5.4; the same for as long as phone and identity exist. */
  publicUri(aor: string, instanceId: string): string {
    return this.#uri(aor, escapeUriParam(instanceId));
  }

  /** A new one with each call; those given out before under the same Call-ID stay valid (RFC 5627 §3.2). */
  temporaryUri(aor: string, binding: GruuBinding & { readonly expiresAtMs: number }): string {
    const nonce = this.#random.bytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(context);
    const sealed = Buffer.concat([cipher.update(encodeFields(aor, binding)), cipher.final()]);
    const token = Buffer.concat([Buffer.from([version]), nonce, sealed, cipher.getAuthTag()]);
    return this.#uri(encodeBase64Url(token), undefined);
  }

  /** Which phone a URI of our own domain means; undefined when it is no GRUU that was ever given out. */
  read(uri: SipUri): GruuTarget | undefined {
    if (uri.user === undefined || !isGruu(uri)) return undefined;
    const instanceId = paramValue(uri.params, 'gr');
    if (instanceId === undefined || instanceId === '') return this.#readTemporary(uri.user);
    // RFC 5627 §5.4 compares as URNs, whose scheme and namespace have no case.
    const sought = unescapeUri(instanceId).toLowerCase();
    const isOfPhone = (binding: GruuBinding): boolean => binding.instanceId?.toLowerCase() === sought;
    return { kind: 'public', aor: unescapeUri(uri.user), accepts: isOfPhone, isOfPhone };
  }

  #uri(user: string, gr: string | undefined): string {
    return serializeUri(createSipUri({ user, host: this.#domain, params: [{ name: 'gr', value: gr }] }));
  }

  #readTemporary(user: string): GruuTarget | undefined {
    const bytes = user.length > maxUserLength ? undefined : decodeBase64Url(user);
    if (bytes === undefined || bytes.length < 1 + nonceBytes + tagBytes || bytes[0] !== version)
      return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(1, 1 + nonceBytes))
      .setAAD(context)
      .setAuthTag(bytes.subarray(-tagBytes));
    try {
      const opened = decipher.update(bytes.subarray(1 + nonceBytes, -tagBytes));
      decipher.final();
      return targetOf(opened);
    } catch {
      // The tag does not fit: forged, altered, or of another secret.
      return undefined;
    }
  }
}

/** Whether a URI claims to be a GRUU (RFC 5627 §3). */
export function isGruu(uri: SipUri): boolean {
  return hasParam(uri.params, 'gr');
}

function encodeFields(aor: string, binding: GruuBinding & { readonly expiresAtMs: number }): Uint8Array {
  const validUntil = Buffer.alloc(timeBytes);
  validUntil.writeUIntBE(Math.floor(binding.expiresAtMs), 0, timeBytes);
  const packed = aor.length === fingerprintLength ? decodeBase32(aor) : undefined;
  const name = packed ?? Buffer.from(aor, 'utf8');
  if (name.length >= packedLength) throw new RangeError('address-of-record too long for a temporary GRUU');
  return Buffer.concat([
    Buffer.from([packed === undefined ? name.length : packedLength]),
    name,
    mark(binding.instanceId ?? ''),
    mark(binding.callId),
    validUntil,
  ]);
}

/**
 * RFC 5627 §3.2: valid while the phone stays registered under the Call-ID of that time. A binding that began after the
 * registration of that time would have ended is another registration, even under the same Call-ID; one that began
 * before is the same phone, back on another flow.
 */
function targetOf(opened: Buffer): GruuTarget {
  const length = opened[0] ?? 0;
  const nameEnd = 1 + (length === packedLength ? 32 : length);
  const name = opened.subarray(1, nameEnd);
  const instance = encodeHex(opened.subarray(nameEnd, nameEnd + markBytes));
  const callId = encodeHex(opened.subarray(nameEnd + markBytes, nameEnd + 2 * markBytes));
  const validUntilMs = opened.readUIntBE(nameEnd + 2 * markBytes, timeBytes);
  const isOfPhone = (binding: GruuBinding): boolean => encodeHex(mark(binding.instanceId ?? '')) === instance;
  return {
    kind: 'temporary',
    isOfPhone,
    aor: length === packedLength ? encodeBase32(name) : name.toString('utf8'),
    accepts: (binding) =>
      isOfPhone(binding) &&
      encodeHex(mark(binding.callId)) === callId &&
      binding.registeredAtMs <= validUntilMs,
  };
}

/** What may stand bare in a URI parameter, upper case aside (RFC 3261 §25.1: param-unreserved and unreserved). */
const bareChars = "abcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()[]/:&+$";

function escapeUriParam(headerText: string): string {
  let text = '';
  for (let i = 0; i < headerText.length; i++) {
    const char = headerText.charAt(i);
    text += bareChars.includes(char.toLowerCase())
      ? char
      : `%${headerText.charCodeAt(i).toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

/** Under the cipher: only has to tell the few phones of one identity apart. */
function mark(text: string): Uint8Array {
  return hash('sha256', Buffer.from(text, 'latin1'), 'buffer').subarray(0, markBytes);
}

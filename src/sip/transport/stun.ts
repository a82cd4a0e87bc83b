import { crc32 } from 'node:zlib';
import { asBuffer } from '../../base/index.ts';
import { addressBytes } from './ip-address.ts';

/** RFC 8489 §5: type, length, magic cookie, transaction id. */
const headerBytes = 20;
const magicCookie = 0x2112a442;
const bindingRequest = 0x0001;
const bindingSuccess = 0x0101;
const bindingError = 0x0111;
const errorCodeAttribute = 0x0009;
const unknownAttributesAttribute = 0x000a;
const xorMappedAddressAttribute = 0x0020;
/** RFC 8489 §14: types below it must be understood, those from it on may be ignored. */
const firstOptionalAttribute = 0x8000;
/**
 * Understood in so far as they change nothing here: USERNAME, MESSAGE-INTEGRITY, REALM, NONCE and
 * MESSAGE-INTEGRITY-SHA256; RFC 5626 §8 keeps this usage free of authentication.
 */
const harmlessAttributes: ReadonlySet<number> = new Set([0x0006, 0x0008, 0x0014, 0x0015, 0x001c]);
const maxUnknownAttributes = 16;
/** RFC 8489 §14.7: optional, the last attribute, CRC-32 of all before it with this mask. */
const fingerprintAttribute = 0x8028;
const fingerprintBytes = 8;
const fingerprintMask = 0x5354554e;

/**
 * Whether a datagram on the SIP port is STUN: two zero bits and the magic cookie, which no SIP message starts
 * with (RFC 5626 §8, RFC 8489 §5).
 */
export function isStun(datagram: Uint8Array): boolean {
  if (datagram.length < headerBytes || ((datagram[0] ?? 0xff) & 0xc0) !== 0) return false;
  return asBuffer(datagram).readUInt32BE(4) === magicCookie;
}

/**
 * The answer to a Binding request, or undefined for what must be dropped without one: other methods, indications,
 * responses, broken lengths. The answer tells the peer its own address as seen here (RFC 8489 §7.3.1).
 * It is longer than its request by that address and by nothing else: whoever forges a source gains a quarter of a
 * packet, so that strangers are answered as anybody is.
 */
export function answerStun(datagram: Uint8Array, address: string, port: number): Buffer | undefined {
  const request = asBuffer(datagram);
  if (request.readUInt16BE(0) !== bindingRequest) return undefined;
  const length = request.readUInt16BE(2);
  if (length % 4 !== 0 || headerBytes + length !== request.length) return undefined;
  const unknown = unknownAttributes(request);
  if (unknown === undefined) return undefined;
  const fingerprinted = endsWithFingerprint(request);
  // RFC 8489 §6.3: a wrong fingerprint means that this is something else than STUN.
  if (fingerprinted && request.readUInt32BE(request.length - 4) !== fingerprintOf(request)) return undefined;
  const transactionId = request.subarray(8, headerBytes);
  const answer =
    unknown.length > 0
      ? unknownAttributeError(transactionId, unknown)
      : bindingResponse(transactionId, address, port);
  return fingerprinted && answer !== undefined ? withFingerprint(answer) : answer;
}

/** The attributes have been walked through: the last eight bytes are one attribute or the end of a longer value. */
function endsWithFingerprint(request: Buffer): boolean {
  let at = headerBytes;
  while (at + fingerprintBytes < request.length) at += 4 + ((request.readUInt16BE(at + 2) + 3) & ~3);
  return (
    at + fingerprintBytes === request.length &&
    request.readUInt16BE(at) === fingerprintAttribute &&
    request.readUInt16BE(at + 2) === 4
  );
}

function fingerprintOf(message: Buffer): number {
  return (crc32(message.subarray(0, message.length - fingerprintBytes)) ^ fingerprintMask) >>> 0;
}

/** The length in the header counts the fingerprint before it is computed. */
function withFingerprint(answer: Buffer): Buffer {
  const message = Buffer.concat([answer, Buffer.alloc(fingerprintBytes)]);
  message.writeUInt16BE(message.length - headerBytes, 2);
  message.writeUInt16BE(fingerprintAttribute, answer.length);
  message.writeUInt16BE(4, answer.length + 2);
  message.writeUInt32BE(fingerprintOf(message), answer.length + 4);
  return message;
}

/** Types that we had to understand and don't; undefined when an attribute runs past the end. */
function unknownAttributes(request: Buffer): readonly number[] | undefined {
  const unknown: number[] = [];
  let at = headerBytes;
  while (at < request.length) {
    const type = request.readUInt16BE(at);
    const padded = (request.readUInt16BE(at + 2) + 3) & ~3;
    at += 4 + padded;
    if (at > request.length) return undefined;
    if (
      type < firstOptionalAttribute &&
      !harmlessAttributes.has(type) &&
      unknown.length < maxUnknownAttributes
    )
      unknown.push(type);
  }
  return unknown;
}

function bindingResponse(transactionId: Buffer, address: string, port: number): Buffer | undefined {
  const bytes = addressBytes(address);
  if (bytes === undefined) return undefined;
  const response = Buffer.alloc(headerBytes + 8 + bytes.length);
  writeHeader(response, bindingSuccess, transactionId);
  response.writeUInt16BE(xorMappedAddressAttribute, 20);
  response.writeUInt16BE(4 + bytes.length, 22);
  response[25] = bytes.length === 4 ? 0x01 : 0x02;
  response.writeUInt16BE(port ^ (magicCookie >>> 16), 26);
  // RFC 8489 §14.2: the address is XORed with the cookie followed by the transaction id, which stand at byte 4.
  for (let i = 0; i < bytes.length; i++) response[28 + i] = (bytes[i] ?? 0) ^ (response[4 + i] ?? 0);
  return response;
}

/** RFC 8489 §6.3.1: 420 with the list of what was not understood. */
function unknownAttributeError(transactionId: Buffer, unknown: readonly number[]): Buffer {
  const listBytes = unknown.length * 2;
  const response = Buffer.alloc(headerBytes + 8 + 4 + ((listBytes + 3) & ~3));
  writeHeader(response, bindingError, transactionId);
  response.writeUInt16BE(errorCodeAttribute, 20);
  response.writeUInt16BE(4, 22);
  response[26] = 4;
  response[27] = 20;
  response.writeUInt16BE(unknownAttributesAttribute, 28);
  response.writeUInt16BE(listBytes, 30);
  for (const [index, type] of unknown.entries()) response.writeUInt16BE(type, 32 + index * 2);
  return response;
}

function writeHeader(message: Buffer, type: number, transactionId: Buffer): void {
  message.writeUInt16BE(type, 0);
  message.writeUInt16BE(message.length - headerBytes, 2);
  message.writeUInt32BE(magicCookie, 4);
  transactionId.copy(message, 8);
}

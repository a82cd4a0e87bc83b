/**
 * What a call costs Node itself: every datagram of it is received and sent on with a Via more or less. No transaction, no
 * timer, nothing checked and nothing kept, and neither routing by identity nor a record. `sign` makes one Ed25519
 * signature for each INVITE besides, `verify` checks one for each REGISTER, and `challenge` asks for credentials at which
 * nobody looks.
 */
import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { fieldLines, isResponse, message, methodOf } from './phones/sip-text.ts';

const duty = process.argv[2];
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const signed = randomBytes(256);
const signature = sign(null, signed, privateKey);
const lineEnd = '\r\n';
/** RFC 3261 §8.1.1.7: what a branch begins with. */
const cookie = 'z9hG4bK';

const socket = createSocket('udp4');
let serial = 0;
let phone: { readonly address: string; readonly port: number } | undefined;

const send = (text: string, port: number, address: string): void =>
  socket.send(Buffer.from(text, 'latin1'), port, address);

function answerOf(request: string, status: string, more: readonly string[] = []): string {
  const copied = fieldLines(request, 'Via') + fieldLines(request, 'From') + fieldLines(request, 'To');
  const named = fieldLines(request, 'Call-ID') + fieldLines(request, 'CSeq');
  return message(`SIP/2.0 ${status}`, [(copied + named).slice(0, -lineEnd.length), ...more]);
}

/** To where the next Via came from. */
function passBack(response: string): void {
  const top = response.indexOf(`${lineEnd}Via: `);
  const next = response.indexOf(lineEnd, top + 2);
  const sentBy = response.slice(response.indexOf(' ', next + 8) + 1, response.indexOf(';', next));
  const colon = sentBy.indexOf(':');
  send(
    response.slice(0, top) + response.slice(next),
    Number(sentBy.slice(colon + 1)),
    sentBy.slice(0, colon),
  );
}

function passOn(request: string, method: string, from: RemoteInfo): void {
  if (phone === undefined) return;
  const { address, port } = socket.address();
  const start = request.indexOf(lineEnd);
  const route = request.indexOf(`${lineEnd}Route: `);
  const routeEnd = route < 0 ? -1 : request.indexOf(lineEnd, route + 2);
  const rest = route < 0 ? request.slice(start) : request.slice(start, route) + request.slice(routeEnd);
  let head = `${request.slice(0, start)}${lineEnd}Via: SIP/2.0/UDP ${address}:${port};branch=${cookie}${++serial}`;
  if (method === 'INVITE') {
    send(answerOf(request, '100 Trying'), from.port, from.address);
    if (duty === 'sign')
      head += `${lineEnd}Intent-Token: ${sign(null, Buffer.from(request, 'latin1'), privateKey).toString('base64url')}`;
    head += `${lineEnd}Record-Route: <sip:${address}:${port};lr>`;
  }
  send(head + rest, phone.port, phone.address);
}

socket.on('message', (bytes, from) => {
  const text = bytes.toString('latin1');
  if (isResponse(text)) return passBack(text);
  const method = methodOf(text);
  if (method !== 'REGISTER') return passOn(text, method, from);
  phone = from;
  const asks = duty === 'challenge' && !text.includes(`${lineEnd}Authorization: `);
  const refused = duty === 'verify' && !verify(null, signed, publicKey, signature);
  const challenge = `WWW-Authenticate: Digest realm="bare", nonce="${++serial}", algorithm=MD5, qop="auth"`;
  if (asks || refused) send(answerOf(text, '401 Unauthorized', [challenge]), from.port, from.address);
  else send(answerOf(text, '200 OK'), from.port, from.address);
});
socket.bind(0, '127.0.0.1', () => process.send?.(socket.address().port));

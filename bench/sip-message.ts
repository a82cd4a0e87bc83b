/** Microseconds per parse and per serialise of a 500-byte INVITE without body: `node bench/sip-message.ts`. */
import {
  defaultMessageLimits,
  parseMessage,
  prependVia,
  removeTopVia,
  StreamFramer,
  serializeMessage,
} from '../src/sip/message/index.ts';

const invite = Buffer.from(
  [
    'INVITE sip:bob@example.com SIP/2.0',
    'Via: SIP/2.0/UDP 192.0.2.17:5060;branch=z9hG4bK-4f1c9e77a2;rport',
    'Max-Forwards: 70',
    'From: "Alice" <sip:alice@example.com>;tag=9fxced76sl',
    'To: <sip:bob@example.com>',
    'Call-ID: 3848276298220188511@192.0.2.17',
    'CSeq: 1 INVITE',
    'Contact: <sip:alice@192.0.2.17:5060;transport=udp>',
    'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, REFER',
    'Supported: replaces, timer, outbound, path',
    'User-Agent: desk phone 4.7',
    'Content-Type: application/sdp',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n'),
  'latin1',
);
const message = parseMessage(invite, defaultMessageLimits);

/** Kept, so that no result is optimised away. */
let sink = 0;

const cases: readonly (readonly [string, () => number])[] = [
  ['parse', () => parseMessage(invite, defaultMessageLimits).headers.length],
  ['serialize', () => serializeMessage(message).length],
  [
    'frame (TCP)',
    () => {
      const framer = new StreamFramer(defaultMessageLimits);
      framer.push(invite);
      return framer.next()?.length ?? 0;
    },
  ],
  ['prependVia + removeTopVia', () => removeTopVia(prependVia(message, message.via))?.headers.length ?? 0],
];

const rounds = 200_000;
console.log(`INVITE of ${invite.length} bytes, ${message.headers.length} headers; best of 5 times ${rounds}`);
for (const [name, run] of cases) {
  let best = Number.POSITIVE_INFINITY;
  for (let trial = 0; trial < 5; trial++) {
    const started = performance.now();
    for (let i = 0; i < rounds; i++) sink += run();
    best = Math.min(best, performance.now() - started);
  }
  console.log(`${name.padEnd(26)} ${((best * 1000) / rounds).toFixed(2)} us`);
}
if (sink === 0) throw new Error('nothing was measured');

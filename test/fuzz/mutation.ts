/** Repeatable: the same seed gives the same numbers. From 0 up to, not including, `below`. */
export type Dice = (below: number) => number;

/** Mulberry32. */
export function diceOf(seed: number): Dice {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** What the grammars turn on: random bytes hardly ever hit it. */
const words = [
  ...[
    '\r\n',
    '\r\n\r\n',
    '\r\n ',
    '\n',
    '\r',
    '\0',
    '\t',
    ' ',
    ',',
    ';',
    ':',
    '"',
    '\\"',
    '<',
    '>',
    '@',
    '=',
  ],
  ...['%00', '%', '[', ']', '[::1]', '[::ffff:1.2.3.4]', '?', '&', '/', '*', '\x7f', '\xff', '\xc3\xa9'],
  ...['SIP/2.0', 'SIP/2.0/UDP', 'SIP / 2.0 / TCP ', 'INVITE ', 'ACK ', 'sip:', 'sips:', 'tel:+1', 'urn:x'],
  ...[';branch=z9hG4bK', ';rport', ';rport=', ';received=', ';maddr=', ';ttl=256', ';lr', ';tag=', ';q=0.5'],
  ...[';expires=', ';reg-id=1', ';+sip.instance="<urn:uuid:1>"', ';comp=sigcomp', 'Digest ', 'nonce="'],
  ...['l: ', 'Content-Length: ', 'v: ', 'Via: ', 'CSeq: ', 't: ', 'f: ', 'i: ', 'm: ', 'Max-Forwards: '],
  ...['0', '-1', '255', '256', '65535', '65536', '2147483648', '4294967296', '99999999999999999999', '1e3'],
  ...['PROXY TCP4 ', 'PROXY TCP6 ', 'PROXY UNKNOWN', '\x18', '\x19', '\x1a', '\x1b', '\x1f', '\xd2', '\xa1'],
].map((word) => Buffer.from(word, 'latin1'));

const maxBytes = 8_192;

/** One to eight small changes to an input, with pieces of another one. */
export function mutated(original: Uint8Array, other: Uint8Array, dice: Dice): Uint8Array {
  let bytes: Uint8Array = original;
  for (let changes = 1 << dice(4); changes > 0; changes--) bytes = changed(bytes, other, dice);
  return bytes.length > maxBytes ? bytes.slice(0, maxBytes) : bytes;
}

function changed(bytes: Uint8Array, other: Uint8Array, dice: Dice): Uint8Array {
  const at = dice(bytes.length + 1);
  const upTo = Math.min(bytes.length, at + 1 + dice(1 << dice(8)));
  switch (dice(9)) {
    case 0:
      return spliced(bytes, at, upTo, new Uint8Array(0));
    case 1:
      return spliced(bytes, at, at, words[dice(words.length)] ?? new Uint8Array(0));
    case 2:
      return spliced(bytes, at, upTo, words[dice(words.length)] ?? new Uint8Array(0));
    case 3:
      return spliced(bytes, at, at, Uint8Array.of(dice(256)));
    case 4:
      return spliced(bytes, at, Math.min(at + 1, bytes.length), Uint8Array.of(dice(256)));
    case 5:
      return spliced(
        bytes,
        at,
        Math.min(at + 1, bytes.length),
        Uint8Array.of((bytes[at] ?? 0) ^ (1 << dice(8))),
      );
    case 6:
      return spliced(bytes, at, at, bytes.subarray(at, upTo));
    case 7:
      return bytes.slice(0, at);
    default: {
      const from = dice(other.length + 1);
      return spliced(bytes, at, upTo, other.subarray(from, from + 1 + dice(1 << dice(8))));
    }
  }
}

function spliced(bytes: Uint8Array, from: number, to: number, piece: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, from), piece, bytes.subarray(to)]);
}

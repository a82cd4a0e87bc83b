import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TestGateway } from '../support/test-gateway.ts';
import { expectAlive, type Listening } from './support/alive.ts';
import { Attackers } from './support/attackers.ts';
import { newCallId, requestText, statusOf } from './support/request-text.ts';

/** Most messages are meant for this domain: whoever serves it comes as far into them as can be. */
const domain = 'example.com';
const attackers = new Attackers(() => listening);
let gateway: TestGateway;
let listening: Listening;

beforeAll(async () => {
  gateway = await TestGateway.open({ set: [`domain=${domain}`] });
  listening = { domain, port: (transport) => gateway.port(transport) };
});
afterEach(async () => {
  attackers.close();
  await expectAlive(listening);
  expect(gateway.log.filter(({ level }) => level === 'error')).toEqual([]);
});
afterAll(() => gateway.close());

/** Nothing is said: the message is a response, or says too little to be answered. */
const silence = 0;
/** What follows on the stream is awaited. */
const waits = -1;

type Row = readonly [name: string, section: string, udp: number, tcp?: number];

/**
 * What the gateway answers over UDP, and over TCP where that differs; test/vectors/rfc4475/README.md has the RFC's
 * verdicts. 401 and 407 are the answers to a valid request of somebody unknown, 403 to one for another domain.
 */
const rfc4475: readonly Row[] = [
  ['wsinv', '3.1.1.1', 403],
  ['intmeth', '3.1.1.2', 407],
  ['esc01', '3.1.1.3', 403],
  ['escnull', '3.1.1.4', 401],
  ['esc02', '3.1.1.5', 403],
  ['lwsdisp', '3.1.1.6', 407],
  ['longreq', '3.1.1.7', 407],
  // On a stream what follows is a second request and then no request: that ends the stream once the first is answered.
  ['dblreq', '3.1.1.8', 401],
  ['semiuri', '3.1.1.9', 407],
  ['transports', '3.1.1.10', 407],
  ['mpart01', '3.1.1.11', 403],
  ['unreason', '3.1.1.12', silence],
  ['noreason', '3.1.1.13', silence],
  ['badinv01', '3.1.2.1', 400],
  ['clerr', '3.1.2.2', 400, waits],
  ['ncl', '3.1.2.3', 400],
  ['scalar02', '3.1.2.4', 400],
  ['scalarlg', '3.1.2.5', silence],
  ['quotbal', '3.1.2.6', 400],
  ['ltgtruri', '3.1.2.7', 400],
  ['lwsruri', '3.1.2.8', 400],
  ['lwsstart', '3.1.2.9', 400],
  ['trws', '3.1.2.10', 400],
  ['escruri', '3.1.2.11', 407],
  ['baddate', '3.1.2.12', 407],
  // Who registers is asked first; the Contact is refused when it is read.
  ['regbadct', '3.1.2.13', 401],
  ['badaspec', '3.1.2.14', 400],
  ['baddn', '3.1.2.15', 400, waits],
  ['badvers', '3.1.2.16', 505],
  ['mismatch01', '3.1.2.17', 400],
  ['mismatch02', '3.1.2.18', 400],
  ['bigcode', '3.1.2.19', silence],
  ['badbranch', '3.2.1', 400],
  ['insuf', '3.3.1', silence],
  ['unkscm', '3.3.2', 416],
  ['novelsc', '3.3.3', 416],
  ['unksm2', '3.3.4', 401],
  ['bext01', '3.3.5', 420],
  ['invut', '3.3.6', 407],
  ['regaut01', '3.3.7', 401],
  ['multi01', '3.3.8', 400],
  ['mcl01', '3.3.9', 400],
  ['bcast', '3.3.10', silence],
  ['zeromf', '3.3.11', 483],
  ['cparam01', '3.3.12', 401],
  ['cparam02', '3.3.13', 401],
  ['regescrt', '3.3.14', 401],
  ['sdp01', '3.3.15', 407],
  // A stream without Content-Length has no frames: RFC 3261 §20.14 wants one there.
  ['inv2543', '3.4.1', 407, 400],
];

const rfc5118: readonly Row[] = [
  ['ipv6-good', '4.1', 403],
  ['ipv6-bad', '4.2', 400],
  ['port-ambiguous', '4.3', 403],
  ['port-unambiguous', '4.4', 403],
  ['via-received-param-with-delim', '4.5', 403],
  ['via-received-param-no-delim', '4.5', 403],
  ['ipv6-in-sdp', '4.6', 403],
  ['mult-ip-in-header', '4.7', 403],
  ['mult-ip-in-sdp', '4.8', 403],
  ['ipv4-mapped-ipv6', '4.9', 407],
  ['ipv6-bug-abnf-3-colons', '4.10', 403],
  ['ipv6-correct-abnf-2-colons', '4.10', 403],
];

function cases(rows: readonly Row[]): { name: string; section: string; udp: number; tcp: number }[] {
  return rows.map(([name, section, udp, tcp = udp]) => ({ name, section, udp, tcp }));
}

let serial = 0;

/** The messages share branches: as requests of their own they need some of their own. */
function withOwnBranch(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  return Buffer.from(
    text.replace(/branch=(?!z9hG4bK\s)[\w.-]+/, (branch) => `${branch}${++serial}`),
    'latin1',
  );
}

function read(folder: string, name: string): Buffer {
  return readFileSync(new URL(`../vectors/${folder}/${name}.dat`, import.meta.url));
}

/** With the line ends that the archive of RFC 5118 has lost, and the lengths that belong to them. */
function mended(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  const complete = (text.includes('\n\n') ? text : `${text}\n`).replaceAll('\n', '\r\n');
  const length = complete.length - complete.indexOf('\r\n\r\n') - 4;
  return Buffer.from(complete.replace(/Content-Length: \d+/, `Content-Length: ${length}`), 'latin1');
}

/** The final answer to a datagram; what was sent before an OPTIONS has been read when that is answered. */
async function overUdp(bytes: Buffer, expected: number): Promise<number> {
  const wire = await attackers.udp();
  wire.send(bytes);
  const callId = newCallId();
  wire.send(requestText({ uri: `sip:${domain}`, callId: `Call-ID: ${callId}` }));
  await wire.message(0, (text) => text.includes(callId), 'the OPTIONS answer');
  const isFinal = (text: string): boolean => !text.includes(callId) && statusOf(text) >= 200;
  if (expected !== silence) return statusOf(await wire.message(0, isFinal, 'an answer'));
  return statusOf(wire.received.find(isFinal) ?? '');
}

/** As over UDP. */
async function overTcp(bytes: Buffer, expected: number): Promise<number> {
  const wire = await attackers.tcp();
  wire.send(bytes);
  if (expected === waits) {
    // Bytes without a line end belong to a body or a header that is still under way.
    wire.send('...');
    await expectAlive(listening);
    expect([wire.said, wire.closed]).toEqual(['', false]);
    return waits;
  }
  const callId = newCallId();
  if (expected === silence) wire.send(requestText({ uri: `sip:${domain}`, callId: `Call-ID: ${callId}` }));
  const final = /^SIP\/2\.0 [2-6]\d\d /m;
  const said = await wire.untilSaidOrClosed(final);
  return said.includes(callId) ? silence : statusOf(said.slice(said.search(final)));
}

describe('edge 14: RFC 4475 over the wire', () => {
  it.each(cases(rfc4475))('$name (§$section): $udp over UDP', async ({ name, udp }) => {
    expect(await overUdp(withOwnBranch(read('rfc4475', name)), udp)).toBe(udp);
  });

  it.each(cases(rfc4475))('$name (§$section): $tcp over TCP', async ({ name, tcp }) => {
    expect(await overTcp(withOwnBranch(read('rfc4475', name)), tcp)).toBe(tcp);
  });
});

describe('edge 14: RFC 5118 over the wire', () => {
  it.each(cases(rfc5118))('$name (§$section): $udp over UDP and TCP', async ({ name, udp, tcp }) => {
    expect(await overUdp(withOwnBranch(mended(read('rfc5118', name))), udp)).toBe(udp);
    expect(await overTcp(withOwnBranch(mended(read('rfc5118', name))), tcp)).toBe(tcp);
  });

  it.each(cases(rfc5118))('$name (§$section) with its bare LFs cannot be answered', async ({ name }) => {
    expect(await overUdp(read('rfc5118', name), silence)).toBe(silence);
  });
});

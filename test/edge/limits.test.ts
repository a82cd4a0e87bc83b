import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { headerValue } from '../../src/sip/index.ts';
import { callChains, chainFaults, readTrail, verifyTrail } from '../support/audit-trail.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { residentBytesOf } from '../support/process-usage.ts';
import { type GatewayProcess, startGateway } from '../support/processes.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { establish, exchange } from '../support/sip-call.ts';
import { answers } from '../support/sip-dialog.ts';
import { addStockPhones, domain, openAgent, type StockPhone } from '../support/stock-phones.ts';
import { until } from '../support/until.ts';
import { expectAlive, type Listening } from './support/alive.ts';
import { RawTcp } from './support/raw-wire.ts';
import { requestText } from './support/request-text.ts';
import { mountTinyDisk } from './support/tiny-disk.ts';

const megabyte = 1 << 20;
/** What thousands of connections may leave behind, a garbage-collected heap's slack included. */
const maxGrowthBytes = 96 * megabyte;

/** Attacks come from one address, honest phones from another. */
const attacker = '127.0.0.9';

describe('connections, on the built-in limits', () => {
  const data = dataDirectory();
  const sockets: RawTcp[] = [];
  let gateway: GatewayProcess;
  let listening: Listening;
  let honest: SipAgent;
  let residentAtStart = 0;

  beforeAll(async () => {
    const [alice] = await addStockPhones(data.path, ['alice']);
    if (alice === undefined) throw new Error('no phone');
    gateway = await startGateway({ dataDir: data.path, set: ['log.level=error'] });
    listening = { domain, port: (transport) => gateway.port(transport) };
    honest = await openAgent(gateway, alice, 'tcp');
    expect((await honest.register()).status).toBe(200);
    residentAtStart = residentBytesOf(gateway.pid);
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.close();
    await expectAlive(listening);
    expect(residentBytesOf(gateway.pid) - residentAtStart).toBeLessThan(maxGrowthBytes);
  });
  afterAll(async () => {
    await honest.close();
    expect(await gateway.stop()).toBe(0);
    data.remove();
  });

  it('edge 8: who sends one byte a second, a few bytes or only keepalives is cut off within 10 s, and others are served meanwhile', {
    timeout: 20_000,
  }, async () => {
    const text = requestText({ uri: `sip:${domain}` });
    for (let count = 0; count < 100; count++) sockets.push(await RawTcp.open(gateway.port('tcp'), attacker));
    let sent = 0;
    const startedMs = performance.now();
    const talkers = [...sockets];
    for (const beginning of ['I', 'INV', '\r', '\r\n', '\r\n\r']) {
      const socket = await RawTcp.open(gateway.port('tcp'), attacker);
      socket.send(beginning);
      sockets.push(socket);
    }
    const keeper = await RawTcp.open(gateway.port('tcp'), attacker);
    sockets.push(keeper);
    const trickle = setInterval(() => {
      for (const socket of talkers) if (!socket.closed) socket.send(text.charAt(sent));
      if (!keeper.closed) keeper.send('\r\n\r\n');
      sent += 1;
    }, 1_000);
    for (const socket of talkers) socket.send(text.charAt(sent));
    sent += 1;
    await expectAlive(listening, attacker);
    try {
      await Promise.all(sockets.map((socket) => socket.untilClosed(12_000)));
    } finally {
      clearInterval(trickle);
    }
    expect(performance.now() - startedMs).toBeLessThan(10_000 + 500);
    expect(sent).toBeGreaterThan(5);
  });

  it('edge 9: of 10,000 idle sockets from one address a few stay, and others are served', {
    timeout: 30_000,
  }, async () => {
    const wanted = 10_000;
    const opened = await openMany(wanted);
    expect(opened).toBeGreaterThan(wanted * 0.9);
    await expectAlive(listening);
    const stillOpen = (): number => sockets.filter(({ closed }) => !closed).length;
    await until('the surplus is cut', () => stillOpen() <= 300);
    const { response } = await honest.ask('OPTIONS', `sip:${domain}`);
    expect(response.status).toBe(200);
  });

  async function openMany(count: number): Promise<number> {
    const atOnce = 200;
    for (let from = 0; from < count; from += atOnce) {
      const batch = Array.from({ length: atOnce }, () => RawTcp.open(gateway.port('tcp'), attacker));
      for (const result of await Promise.allSettled(batch))
        if (result.status === 'fulfilled') sockets.push(result.value);
    }
    return sockets.length;
  }
});

describe('edge 40: an audit log that cannot be written', () => {
  it('turns calls away with 503, and no call goes unlogged', async (context) => {
    const data = dataDirectory();
    const disk = mountTinyDisk(data.path);
    if (disk === undefined) return context.skip('a tmpfs cannot be mounted here');
    let gateway: GatewayProcess | undefined;
    const phones: SipAgent[] = [];
    try {
      const added = await addStockPhones(data.path, ['alice', 'bob']);
      gateway = await startGateway({ dataDir: data.path, set: ['limits.audit.healDelayMs=50'] });
      const running = gateway;
      const listening: Listening = { domain, port: (transport) => running.port(transport) };
      const [alice, bob] = await openBoth(running, added);
      phones.push(alice, bob);
      const before = await establish(alice, bob);
      disk.fill();
      // A record may still find room in the journal's last block: that call goes on.
      let recorded = 0;
      for (let refused = 0; refused < 5; ) {
        const { request } = await alice.begin('INVITE', bob.address);
        const isRefused = (): boolean => alice.inbox.unread.some(answers(request, 200));
        await until('the call rings or is refused', () => isRefused() || ringingAt(bob) > 0);
        if (ringingAt(bob) > 0 && !isRefused()) bob.reply(await bob.incoming('INVITE'), 486);
        const response = await alice.final(request);
        if (response.status === 486 && refused === 0) recorded++;
        else {
          expect(response.status).toBe(503);
          // The first finds out, those after it are told when to come back.
          if (refused > 0) expect(headerValue(response, 'retry-after')).toBe('5');
          refused++;
        }
      }
      await expectAlive(listening);
      await forgetCancelled(bob);
      await exchange(alice, bob, before.callerSide, 'BYE');
      disk.clear();
      await until('calls go again', async () => (await alice.register()).status === 200);
      const after = await establish(alice, bob);
      await exchange(alice, bob, after.callerSide, 'BYE');
      expect(await gateway.stop()).toBe(0);
      const trail = await readTrail(data.path);
      expect(chainFaults(trail)).toEqual([]);
      expect(callChains(trail).size).toBe(2 + recorded);
      expect(await verifyTrail(data.path)).toMatchObject({ valid: true, openCalls: 0 });
    } finally {
      await Promise.all(phones.map((phone) => phone.close()));
      await gateway?.kill();
      disk.unmount();
      data.remove();
    }
  });
});

function ringingAt(phone: SipAgent): number {
  return phone.inbox.unread.filter((message) => message.kind === 'request' && message.method === 'INVITE')
    .length;
}

/** The INVITE leaves while its record is being written: the call that found the disk full has rung and was taken back. */
async function forgetCancelled(phone: SipAgent): Promise<void> {
  const rang = ringingAt(phone);
  expect(rang).toBeLessThan(2);
  for (let at = 0; at < rang; at++) {
    const invite = await phone.incoming('INVITE');
    // RFC 3261 §9.1: nothing is cancelled before it has said a word.
    phone.reply(invite, 180);
    phone.reply(await phone.incoming('CANCEL'), 200);
    phone.reply(invite, 487);
  }
}

async function openBoth(
  gateway: GatewayProcess,
  [first, second]: readonly StockPhone[],
): Promise<[SipAgent, SipAgent]> {
  if (first === undefined || second === undefined) throw new Error('two phones are needed');
  const phones: [SipAgent, SipAgent] = [
    await openAgent(gateway, first, 'tcp'),
    await openAgent(gateway, second, 'tcp'),
  ];
  for (const phone of phones) expect((await phone.register()).status).toBe(200);
  return phones;
}

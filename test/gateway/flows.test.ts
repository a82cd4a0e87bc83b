import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { callStories, readTrail } from '../support/audit-trail.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { type LossyPath, lossyPath } from '../support/lossy-path.ts';
import { type GatewayProcess, startGateway } from '../support/processes.ts';
import { SipAgent } from '../support/sip-agent.ts';
import { callerDialog } from '../support/sip-dialog.ts';
import type { WireTransport } from '../support/sip-wire.ts';
import { addStockPhones, domain, type StockPhone } from '../support/stock-phones.ts';
import { startTerminalPhone } from '../support/terminal-phone.ts';
import { until } from '../support/until.ts';

const pingIntervalMs = 300;
const pongTimeoutMs = 300;
const sweepIntervalMs = 50;
/** How late a dead peer may be found, and what a busy machine adds. */
const deadWithinMs = pingIntervalMs + pongTimeoutMs + 2 * sweepIntervalMs + 1_000;
/** An answer that waits for no timer; those of SIP would make it 32 s. */
const atOnceMs = 500;

const set = [
  `limits.transport.pingIntervalMs=${pingIntervalMs}`,
  `limits.transport.pongTimeoutMs=${pongTimeoutMs}`,
  `limits.transport.sweepIntervalMs=${sweepIntervalMs}`,
];

const data = dataDirectory();
const agents: SipAgent[] = [];
let path: LossyPath | undefined;
let gateway: GatewayProcess;
let phones: ReadonlyMap<string, StockPhone>;

beforeAll(async () => {
  const added = await addStockPhones(data.path, ['alice', 'bob']);
  phones = new Map(added.map((phone) => [phone.user, phone]));
  gateway = await startGateway({ dataDir: data.path, set });
});
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.close()));
  path?.close();
  path = undefined;
});
afterAll(async () => {
  await gateway.stop();
  data.remove();
});

/** A stock phone that has registered. */
async function registered(
  user: string,
  transport: WireTransport,
  port = gateway.port(transport),
): Promise<SipAgent> {
  const password = phones.get(user)?.password ?? '';
  const agent = await SipAgent.open({ user, password, domain, transport, port });
  agents.push(agent);
  expect((await agent.register()).status).toBe(200);
  return agent;
}

async function timed<Result>(work: Promise<Result>): Promise<{ result: Result; ms: number }> {
  const startedMs = performance.now();
  return { result: await work, ms: performance.now() - startedMs };
}

describe('a WebSocket peer that answers no pings', () => {
  it('is found within the bound, and calls to its identity get 480 at once', async () => {
    path = await lossyPath(gateway.port('ws'));
    const [alice, bob] = [await registered('alice', 'udp'), await registered('bob', 'ws', path.port)];
    path.goDead();
    const found = until('the binding is out of routing', async () =>
      (await readTrail(data.path)).some(({ event, erin }) => isLost(event, erin, 'jis:bob')),
    );
    expect((await timed(found)).ms).toBeLessThan(deadWithinMs);
    const { result, ms } = await timed(alice.ask('INVITE', bob.address));
    expect(result.response.status).toBe(480);
    expect(ms).toBeLessThan(atOnceMs);
  });

  it('ends a call that was on its way to it when it is found, not after Timer B', async () => {
    path = await lossyPath(gateway.port('ws'));
    const [alice, bob] = [await registered('alice', 'udp'), await registered('bob', 'ws', path.port)];
    path.goDead();
    const { result, ms } = await timed(alice.ask('INVITE', bob.address));
    expect([430, 480]).toContain(result.response.status);
    expect(ms).toBeLessThan(deadWithinMs);
  });

  it('is kept while it answers them', async () => {
    const [alice, bob] = [await registered('alice', 'udp'), await registered('bob', 'ws')];
    await new Promise((resolve) => setTimeout(resolve, 2 * (pingIntervalMs + pongTimeoutMs)));
    const { request } = await alice.begin('INVITE', bob.address);
    bob.reply(await bob.incoming('INVITE'), 486);
    expect((await alice.final(request)).status).toBe(486);
  });
});

describe('keepalives (RFC 5626 §4.4.1, RFC 7118 §6)', () => {
  it('answers CRLF CRLF on TCP with CRLF', async () => {
    const socket = connect(gateway.port('tcp'), '127.0.0.1');
    await once(socket, 'connect');
    socket.write('\r\n\r\n');
    const [pong] = await once(socket, 'data');
    socket.destroy();
    expect(String(pong)).toBe('\r\n');
  });

  it('answers a CRLF CRLF WebSocket frame with a CRLF frame', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port('ws')}`, 'sip');
    await once(socket, 'open');
    socket.send('\r\n\r\n');
    const [pong] = await once(socket, 'message');
    socket.close();
    expect(String(pong)).toBe('\r\n');
  });
});

describe('a flow that is closed', () => {
  it('gives 480 to a new call at once', async () => {
    const [alice, bob] = [await registered('alice', 'udp'), await registered('bob', 'tcp')];
    await bob.close();
    const { result, ms } = await timed(alice.ask('INVITE', bob.address));
    expect(result.response.status).toBe(480);
    expect(ms).toBeLessThan(atOnceMs);
  });

  it('ends a ringing call at once', async () => {
    const [alice, bob] = [await registered('alice', 'udp'), await registered('bob', 'tcp')];
    const { request } = await alice.begin('INVITE', bob.address);
    bob.reply(await bob.incoming('INVITE'), 180);
    await alice.provisional(request, 180);
    await bob.close();
    const { result, ms } = await timed(alice.final(request));
    expect([430, 480]).toContain(result.status);
    expect(ms).toBeLessThan(atOnceMs);
  });

  it('gives 430 within a dialog at once, and a BYE towards it ends the record of the call', async () => {
    const [alice, bob] = [await registered('alice', 'udp'), await registered('bob', 'tcp')];
    const { request } = await alice.begin('INVITE', bob.address);
    bob.reply(await bob.incoming('INVITE'), 200);
    const dialog = callerDialog(await alice.final(request));
    alice.inDialog(dialog, 'ACK');
    await bob.incoming('ACK');
    await bob.close();
    const info = await timed(alice.final(alice.inDialog(dialog, 'INFO')));
    expect(info.result.status).toBe(430);
    expect(info.ms).toBeLessThan(atOnceMs);
    const bye = await timed(alice.final(alice.inDialog(dialog, 'BYE')));
    expect(bye.result.status).toBe(430);
    await until(
      'the call has its closing record',
      async () => {
        const ofCall = (await readTrail(data.path)).filter(({ erin }) => erin['callId'] === request.callId);
        return callStories(ofCall)['attempt answer end'] === 1;
      },
      2_000,
    );
  });
});

describe('tibet-sip phone', () => {
  it('comes back by itself and registers again when its gateway has been killed and started again', async () => {
    const webSocketPort = gateway.port('ws');
    const phone = await startTerminalPhone({ name: 'carol', directory: data.path, webSocketPort });
    try {
      await phone.seen('registered');
      const listen = `listen=${gateway.addresses.filter((address) => !address.startsWith('http')).join(',')}`;
      await gateway.kill();
      await phone.seen('disconnected');
      gateway = await startGateway({ dataDir: data.path, set: [...set, listen] });
      await phone.seen('registered', 2);
      const alice = await registered('alice', 'udp');
      const { request } = await alice.begin('INVITE', `sip:carol@${domain}`);
      await alice.provisional(request, 180);
    } finally {
      expect(await phone.stop()).toBe(0);
    }
  });
});

function isLost(event: string, erin: Readonly<Record<string, unknown>>, name: string): boolean {
  return event.includes('deregistration') && JSON.stringify(erin).includes(name);
}

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { serializeMessage } from '../../../src/sip/index.ts';
import { startRedis, type TestRedis } from '../../overlay/redis-server.ts';
import { dataDirectory } from '../../support/data-directory.ts';
import { type GatewayProcess, startGateway } from '../../support/processes.ts';
import { registerOf } from '../../support/signed-register.ts';
import { SipAgent } from '../../support/sip-agent.ts';
import { newIdentity } from '../../support/test-gateway.ts';

/** `REPLAYS=100000 npx vitest run test/gateway/shared/replays.test.ts` sends as many as docs/overlay.md speaks of. */
const replays = Number(process.env['REPLAYS'] ?? 4_000);
const connectionsEach = 8;
/** Requests on one connection that have no answer yet. */
const unanswered = 64;
const domain = 'sip.test';
const patienceMs = 120_000 + 5 * replays;

let redis: TestRedis;
const data = [dataDirectory(), dataDirectory()];
let gateways: readonly GatewayProcess[] = [];

beforeAll(async () => {
  redis = await startRedis();
  const set = [`domain=${domain}`, `overlay.store=${redis.url}`, 'overlay.node.secret=correct horse battery'];
  gateways = await Promise.all(data.map(({ path }) => startGateway({ dataDir: path, set })));
});
afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.kill()));
  await redis.stop();
  for (const { remove } of data) remove();
});

it(
  `${replays.toLocaleString('en')} copies of one signed REGISTER at once over two gateway processes: one is accepted`,
  async () => {
    const ports = gateways.map((gateway) => gateway.port('tcp'));
    const phone = await SipAgent.open({
      identity: newIdentity('jis:alice'),
      user: 'alice',
      transport: 'tcp',
      port: ports[0] ?? 0,
      domain,
    });
    const signed = Buffer.from(serializeMessage(registerOf(phone))).toString('latin1');
    const [before = '', between = '', after = ''] = signed.split(
      /(?<=^REGISTER sip:sip\.test)(?= )|(?<=;branch=z9hG4bK)[^;\r]*/,
    );
    expect(after).toContain('Intent-Token');
    // Branch and Request-URI are each copy's own: neither a retransmission (RFC 3261 §17.2.3) nor merged (§8.2.2.2).
    const copy = (number: number): string => `${before};copy=${number}${between}copy${number}${after}`;

    let sent = 0;
    const next = (): string | undefined => (sent < replays ? copy(sent++) : undefined);
    const senders = await Promise.all(
      ports.flatMap((port) => Array.from({ length: connectionsEach }, () => openSocket(port))),
    );
    const answers = (await Promise.all(senders.map((socket) => sendAll(socket, next)))).flat();
    await phone.close();

    expect(answers).toHaveLength(replays);
    expect(answers.filter((answer) => answer === '200 OK')).toHaveLength(1);
    // The rest, but for those that came when the token was too old to be fresh anyway (60 s).
    const used = answers.filter((answer) => answer === '403 Intent Token Used Before').length;
    const old = answers.filter((answer) => answer === '403 Stale Date').length;
    expect(used + old).toBe(replays - 1);
    expect(used).toBeGreaterThan(replays / 4);
    if (replays > 4_000) process.stdout.write(`${used} used before, ${old} too old\n`);
  },
  patienceMs,
);

async function openSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

/** Sends until there is nothing left; gives status and reason of each final answer. */
function sendAll(socket: Socket, next: () => string | undefined): Promise<readonly string[]> {
  const answers: string[] = [];
  let open = 0;
  let rest = '';
  const fill = (): void => {
    for (let request: string | undefined; open < unanswered; open++) {
      request = next();
      if (request === undefined) break;
      socket.write(request, 'latin1');
    }
    if (open === 0) socket.end();
  };
  return new Promise((resolve, reject) => {
    socket.setEncoding('latin1').on('data', (text: string) => {
      // Answers to REGISTER have no body.
      const parts = (rest + text).split('\r\n\r\n');
      rest = parts.pop() ?? '';
      for (const part of parts) {
        const [line = ''] = part.trimStart().split('\r\n');
        if (line.startsWith('SIP/2.0 1')) continue;
        answers.push(line.slice('SIP/2.0 '.length));
        open -= 1;
      }
      fill();
    });
    socket.on('error', reject).on('close', () => resolve(answers));
    fill();
  });
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type GatewayProcess, startGateway } from '../support/processes.ts';
import { SipAgent } from '../support/sip-agent.ts';
import { callerDialog } from '../support/sip-dialog.ts';
import { newIdentity } from '../support/test-gateway.ts';

const domain = 'sip.test';
let dataDir: string;
let gateway: GatewayProcess;
const agents: SipAgent[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tibet-sip-restart-'));
  gateway = await startGateway({ dataDir, set: [`domain=${domain}`] });
});
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.close()));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));
afterAll(() => gateway.kill());

async function open(
  user: string,
  transport: 'udp' | 'ws',
  identity = newIdentity(`jis:${user}`),
): Promise<SipAgent> {
  const agent = await SipAgent.open({ port: gateway.port(transport), transport, domain, user, identity });
  agents.push(agent);
  return agent;
}

/** Kills the gateway as a power cut does and starts it on the same data and the same UDP port. */
async function restart(): Promise<void> {
  const port = gateway.port('udp');
  await gateway.kill();
  gateway = await startGateway({
    dataDir,
    set: [`domain=${domain}`, `listen=udp://127.0.0.1:${port}, ws://127.0.0.1:0`],
  });
}

describe('a gateway that is killed and started again', () => {
  it('reaches UDP phones that registered before, keeps their dialogs, and forgets closed connections', async () => {
    const [callee, gone, caller] = await Promise.all([
      open('callee', 'udp'),
      open('gone', 'ws'),
      open('caller', 'udp'),
    ]);
    for (const phone of [callee, gone, caller]) expect((await phone.register()).status).toBe(200);
    const before = caller.build('INVITE', `sip:callee@${domain}`);
    caller.send(before);
    callee.reply(await callee.incoming('INVITE'), 200);
    const dialog = callerDialog(await caller.final(before));
    caller.inDialog(dialog, 'ACK');
    await callee.incoming('ACK');

    await restart();

    // The dialog's route token is still good: the flows of UDP phones come out the same.
    const bye = caller.inDialog(dialog, 'BYE');
    callee.reply(await callee.incoming('BYE'), 200);
    expect((await caller.final(bye)).status).toBe(200);

    // Nobody has registered anew.
    const { response } = await caller.ask('INVITE', `sip:gone@${domain}`);
    expect(response.status).toBe(480);
    const again = caller.build('INVITE', `sip:callee@${domain}`);
    caller.send(again);
    callee.reply(await callee.incoming('INVITE'), 486);
    expect((await caller.final(again)).status).toBe(486);
  });

  it('refuses a token that it accepted before it was killed', async () => {
    const phone = await open('replayed', 'udp');
    const request = phone.build('REGISTER', `sip:${domain}`, { to: `<${phone.address}>` });
    phone.send(request);
    expect((await phone.final(request)).status).toBe(200);
    await restart();
    phone.send(request);
    const response = await phone.final(request);
    expect(response.status).toBe(403);
    expect(response.reason).toBe('Intent Token Used Before');
    expect((await phone.register()).status).toBe(200);
  });
});

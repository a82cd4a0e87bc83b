import { afterEach, describe, expect, it } from 'vitest';
import { TestGateway } from '../../support/test-gateway.ts';

const closing: TestGateway[] = [];
afterEach(async () => {
  for (const gateway of closing.splice(0)) await gateway.close();
});

async function scene(): Promise<TestGateway> {
  const gateway = await TestGateway.open({
    set: [
      'peers=[{name: branch, digest: {username: branch-pbx, password: pw}, target: "udp://127.0.0.1:9", role: pbx, probe: {intervalMs: 0}}]',
    ],
  });
  closing.push(gateway);
  return gateway;
}

describe('a PBX that comes from anywhere and shows a password', () => {
  it.each(['udp', 'tcp'] as const)('calls a phone here over %s for users of its own', async (transport) => {
    const gateway = await scene();
    const alice = await gateway.keyPhone('alice', 'tcp');
    expect((await alice.register()).status).toBe(200);
    const pbx = await gateway.stockPhone('4711', transport, { username: 'branch-pbx', password: 'pw' });
    const { request } = await pbx.begin('INVITE', alice.address);
    alice.reply(await alice.incoming('INVITE'), 486);
    expect((await pbx.final(request)).status).toBe(486);
    const [attempt] = await gateway.records({ event: 'call.attempt' });
    expect(attempt?.erin['caller']).toBe(`4711@${gateway.domain} by peer branch`);
  });

  it('is challenged again with a wrong one, and registers nobody with the right one', async () => {
    const gateway = await scene();
    const wrong = await gateway.stockPhone('4711', 'udp', { username: 'branch-pbx', password: 'guessed' });
    expect((await wrong.ask('INVITE', `sip:alice@${gateway.domain}`)).response.status).toBe(407);
    const right = await gateway.stockPhone('4711', 'udp', { username: 'branch-pbx', password: 'pw' });
    expect((await right.register()).status).toBe(403);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProbedPhone } from '../softphone/probed-phone.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { type GatewayProcess, startGateway } from '../support/processes.ts';
import { until } from '../support/until.ts';

const data = dataDirectory();
let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGateway({ dataDir: data.path });
});
afterAll(async () => {
  await gateway.stop();
  data.remove();
});

async function page(path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${gateway.port('http')}${path}`);
  return response.text();
}

describe('the admin addresses of a running gateway', () => {
  it('show a call while it is up, and count it once it is over', async () => {
    const open = (name: string, answers: boolean): Promise<ProbedPhone> =>
      ProbedPhone.register({ name, port: gateway.port('ws'), domain: 'localhost', answers });
    const [alice, bob] = await Promise.all([open('alice', false), open('bob', true)]);
    const call = await alice.callAnswered('bob', 'Zoë <b>&</b> 4711');
    expect(JSON.parse(await page('/status'))).toMatchObject({
      domain: 'localhost',
      callsUp: 1,
      calls: [{ caller: 'jis:alice', callee: 'jis:bob', state: 'answered', intent: 'Zoë <b>&</b> 4711' }],
      flows: { connections: 2 },
      audit: { healthy: true },
    });
    expect(await page('/')).toContain('Zoë &#60;b&#62;&#38;&#60;/b&#62; 4711');
    expect(await page('/metrics')).toContain('\ntibet_sip_calls_up 1\n');
    await call.hangUp();
    await until('the call is counted', async () =>
      (await page('/metrics')).includes('\ntibet_sip_calls_total{outcome="answered"} 1\n'),
    );
    expect(await page('/metrics')).toContain('\ntibet_sip_registrations_total{change="added"} 2\n');
    expect(await page('/metrics')).toContain('\ntibet_sip_calls_up 0\n');
    expect(await page('/healthz')).toBe('{"status":"ok"}');
    await Promise.all([alice.close(), bob.close()]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callStories } from '../support/audit-trail.ts';
import { freePort } from '../support/free-port.ts';
import { sipp, udpBound } from '../support/sipp.ts';
import { TestGateway } from '../support/test-gateway.ts';

/** Where a machine calls from that the gateway knows by its address. */
const trunk = '127.0.0.2';

const rows = (
  [
    { scenario: 'uac', transport: 'udp' },
    { scenario: 'uac', transport: 'tcp' },
    { scenario: 'regexp', transport: 'udp' },
    { scenario: 'regexp', transport: 'tcp' },
  ] as const
).map(({ scenario, transport }) => ({ scenario, transport, callee: `at-${scenario}-${transport}` }));

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.open({
    devices: rows.map(({ callee }) => ({ name: callee, password: 'swordfish' })),
    set: [`peers=[{name: sipp, match: [${trunk}], target: "udp://${trunk}", role: trunk}]`],
  });
});
afterAll(() => gateway.close());

/** SIPp's `uas` at a phone's place: it cannot register, so that somebody else does it from its address. */
async function startUas(user: string): Promise<{ readonly finished: ReturnType<typeof sipp> }> {
  const phone = await gateway.stockPhone(user, 'udp');
  if ((await phone.register()).status !== 200) throw new Error(`${user} is not registered`);
  const { localPort } = phone;
  await phone.close();
  const finished = sipp({ scenario: '-sn uas', gatewayPort: gateway.port('udp'), localPort });
  await udpBound(localPort);
  return { finished };
}

// Together: `uas` stays four seconds after its call to answer what is sent again.
describe.concurrent('SIPp’s own scenarios, which keep no Route within a call', () => {
  it.for(rows)('$scenario over $transport calls uas over udp and hangs up', async (row, { expect }) => {
    const { scenario, transport, callee } = row;
    const uas = await startUas(callee);
    const { code, err } = await sipp({
      scenario: `-sn ${scenario}`,
      gatewayPort: gateway.port(transport),
      transport,
      localAddress: trunk,
      localPort: await freePort(),
      callee,
      holdMs: 100,
    });
    expect(code, err).toBe(0);
    const answered = await uas.finished;
    expect(answered.code, answered.err).toBe(0);
  });
});

it('each of these calls has left one whole chain of records', async () => {
  expect(callStories(await gateway.closedCalls())).toEqual({ 'attempt ringing answer end': rows.length });
});

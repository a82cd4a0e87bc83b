import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callStories, chainFaults, readTrail, verifyTrail } from '../support/audit-trail.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { freePort } from '../support/free-port.ts';
import { type GatewayProcess, startGateway } from '../support/processes.ts';
import { type SippOptions, type SippResult, sipp, udpBound } from '../support/sipp.ts';
import { addStockPhones, type StockPhone } from '../support/stock-phones.ts';
import { until } from '../support/until.ts';

const data = dataDirectory();
let gateway: GatewayProcess;
let alice: StockPhone;
let bob: StockPhone;
let carol: StockPhone;
let alicePort = 0;
let bobPort = 0;

beforeAll(async () => {
  [alice, bob, carol] = (await addStockPhones(data.path, ['alice', 'bob', 'carol'])) as [
    StockPhone,
    StockPhone,
    StockPhone,
  ];
  gateway = await startGateway({ dataDir: data.path });
  alicePort = await freePort();
  bobPort = await freePort();
});
afterAll(async () => {
  await gateway.stop();
  data.remove();
});

/** A SIPp run against this gateway. */
function run(options: Omit<SippOptions, 'gatewayPort'>): Promise<SippResult> {
  return sipp({ gatewayPort: gateway.port(options.transport ?? 'udp'), ...options });
}

/** Bob's phone plays `uas` while Alice's plays `uac`; both must end without a failed call. */
async function play(uas: string, uac: string, more: Partial<SippOptions> = {}): Promise<void> {
  const callee = run({ scenario: uas, localPort: bobPort, ...more });
  await udpBound(bobPort);
  const caller = run({ scenario: uac, localPort: alicePort, phone: alice, callee: 'bob', ...more });
  await expectSuccess(caller, more.calls);
  await expectSuccess(callee, more.calls);
}

async function expectSuccess(running: Promise<SippResult>, calls = 1): Promise<void> {
  const { code, successful, failed, err } = await running;
  expect({ code, successful, failed }, `${err}\n${gateway.log()}`).toEqual({
    code: 0,
    successful: calls,
    failed: 0,
  });
}

describe('SIPp through a running gateway', () => {
  it('registers with digest over UDP and over TCP (RFC 3261 §10, §22)', async () => {
    await expectSuccess(run({ scenario: 'uac-register', localPort: bobPort, phone: bob }));
    await expectSuccess(
      run({ scenario: 'uac-register', localPort: await freePort(), phone: alice, transport: 'tcp' }),
    );
  });

  it('is turned away with a wrong password', async () => {
    const phone = { ...bob, password: 'guessed' };
    const { code, successful, err } = await run({
      scenario: 'uac-register',
      localPort: await freePort(),
      phone,
    });
    expect({ code, successful }).toEqual({ code: 1, successful: 0 });
    expect(err).toContain('401 Unauthorized');
  });

  it('calls from UDP to UDP: 407, 180, 200, ACK, BYE', () => play('uas-answer', 'uac-call'));

  it('calls from UDP to a phone that registered and answers on one TCP connection (RFC 5658 Record-Route)', async () => {
    const localPort = await freePort();
    const callIds = 'one-connection-%u';
    const callee = run({
      scenario: 'uas-register-answer',
      localPort,
      phone: carol,
      transport: 'tcp',
      callIds,
    });
    await registered('jis:carol');
    await expectSuccess(
      run({ scenario: 'uac-call', localPort: alicePort, phone: alice, callee: 'carol', callIds }),
    );
    await expectSuccess(callee);
  });

  it('cancels a ringing call: 180, CANCEL, 200, 487, ACK (RFC 3261 §9)', () =>
    play('uas-cancelled', 'uac-cancel'));

  it('relays 486 of a busy phone', () => play('uas-busy', 'uac-refused'));

  it('refuses 403 for another caller in From, 404 for nobody, 480 for a phone that is away', async () => {
    const localPort = alicePort;
    const call = { scenario: 'uac-refused', localPort, phone: alice };
    const stolen = await run({ ...call, callee: 'bob', from: 'carol' });
    const unknown = await run({ ...call, callee: 'nobody' });
    const away = await run({ ...call, callee: 'carol' });
    expect([stolen, unknown, away].map(({ code }) => code)).toEqual([0, 0, 0]);
    const refused = async (): Promise<unknown[]> =>
      (await readTrail(data.path)).flatMap(({ erin }) => (erin['by'] === 'gateway' ? [erin['status']] : []));
    await expect.poll(refused).toEqual([403, 404, 480]);
  });

  it('carries 200 calls at 50 a second without a failed one', () =>
    play('uas-answer', 'uac-call', { calls: 200, callsPerSecond: 50, holdMs: 100 }));

  it('leaves exactly one complete chain per call, and a log that verifies', async () => {
    expect(await gateway.stop()).toBe(0);
    const trail = await readTrail(data.path);
    expect(chainFaults(trail)).toEqual([]);
    expect(callStories(trail)).toEqual({
      // UDP to UDP, UDP to TCP, and the load.
      'attempt ringing answer end': 202,
      'attempt ringing cancel': 1,
      'attempt failure': 3,
      'attempt refusal': 1,
    });
    expect(await verifyTrail(data.path)).toMatchObject({ valid: true, problems: [], openCalls: 0 });
  });
});

async function registered(identity: string): Promise<void> {
  await until(`${identity} is registered`, async () =>
    (await readTrail(data.path)).some(
      ({ event, erin }) => event === 'registration.added' && erin['identity'] === identity,
    ),
  );
}

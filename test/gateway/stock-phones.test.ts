import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import type { StoredRecord } from '../../src/provenance/index.ts';
import { chainFaults, readTrail } from '../support/audit-trail.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { type DeskPhone, startBaresip, startLinphone, whyMissing } from '../support/desk-phones.ts';
import { type GatewayProcess, startGateway } from '../support/processes.ts';
import { freePort, sipp } from '../support/sipp.ts';
import { addStockPhones, type StockPhone } from '../support/stock-phones.ts';
import { startTerminalPhone } from '../support/terminal-phone.ts';
import { until } from '../support/until.ts';

const data = dataDirectory();
let gateway: GatewayProcess;
let alice: StockPhone;
let desk: StockPhone;
let running: DeskPhone | undefined;

beforeAll(async () => {
  const [caller, callee] = await addStockPhones(data.path, ['alice', 'desk']);
  if (caller === undefined || callee === undefined) throw new Error('no phones');
  [alice, desk] = [caller, callee];
  gateway = await startGateway({ dataDir: data.path });
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
});
afterAll(async () => {
  await gateway.stop();
  data.remove();
});

/** Skips with a reason that is printed whatever the reporter. */
function skipWithout(context: TestContext, program: string, debianPackage: string): void {
  const why = whyMissing(program, debianPackage);
  if (why === undefined) return;
  process.stderr.write(`skipped: ${context.task.name}: ${why}\n`);
  context.skip(why);
}

/** The registrations of the desk phone by a program that calls itself so. */
async function changes(kind: 'added' | 'removed', userAgent: string): Promise<StoredRecord[]> {
  return (await readTrail(data.path)).filter(
    ({ event, erin, eromheen }) =>
      event === `registration.${kind}` &&
      erin['identity'] === 'jis:desk' &&
      String(eromheen['userAgent']).startsWith(userAgent),
  );
}

async function started(phone: DeskPhone, userAgent: string): Promise<void> {
  running = phone;
  const isRegistered = async (): Promise<boolean> => {
    const [added, removed] = [await changes('added', userAgent), await changes('removed', userAgent)];
    return added.length > removed.length;
  };
  await until(`${userAgent} is registered`, isRegistered).catch((error: unknown) => {
    throw new Error(`${phone.output()}\n${gateway.log()}`, { cause: error });
  });
}

describe('baresip as a desk phone', () => {
  const start = (): Promise<void> =>
    started(
      startBaresip({ phone: desk, gatewayPort: gateway.port('udp'), directory: join(data.path, 'baresip') }),
      'baresip',
    );

  it('registers with digest, answers a call, hears its end and unregisters', async (context) => {
    skipWithout(context, 'baresip', 'baresip-core');
    await start();
    const { code, err } = await sipp({
      scenario: 'uac-call',
      gatewayPort: gateway.port('udp'),
      localPort: await freePort(),
      phone: alice,
      callee: 'desk',
      holdMs: 200,
    });
    expect(code, `${err}\n${running?.output()}`).toBe(0);
    await until('baresip has heard the end', () => running?.output().includes('session closed') === true);
    await running?.stop();
    running = undefined;
    await until('the binding is gone', async () => (await changes('removed', 'baresip')).length === 1);
  });

  it('answers a phone that has a key, whose declared intent is on record', async (context) => {
    skipWithout(context, 'baresip', 'baresip-core');
    await start();
    const phone = await startTerminalPhone({
      name: 'carol',
      directory: data.path,
      webSocketPort: gateway.port('ws'),
      args: ['--call', 'jis:desk', '--intent', 'the delivery is here', '--hang-up-after', '0.2'],
    });
    expect(await phone.exited, `${phone.events.join(' ')}\n${running?.output()}`).toBe(0);
    expect(phone.events).toContain('answered');
    const trail = await readTrail(data.path);
    expect(chainFaults(trail)).toEqual([]);
    const attempt = trail.findLast(({ event }) => event === 'call.attempt');
    expect(attempt).toMatchObject({
      erachter: 'the delivery is here',
      erin: { caller: 'jis:carol', callee: 'jis:desk', assurance: 3, signedBy: 'device' },
    });
  });
});

describe('linphone as a desk phone', () => {
  it('registers with digest and unregisters when it ends', async (context) => {
    skipWithout(context, 'linphonec', 'linphone-cli');
    const directory = join(data.path, 'linphone');
    await started(
      await startLinphone({ phone: desk, gatewayPort: gateway.port('udp'), directory }),
      'Linphone',
    );
    await running?.stop();
    running = undefined;
    await until('the binding is gone', async () => (await changes('removed', 'Linphone')).length === 1);
  });
});

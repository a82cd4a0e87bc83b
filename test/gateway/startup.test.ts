import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { headerField, headerValue } from '../../src/sip/index.ts';
import { callStories, chainFaults, readTrail, verifyTrail } from '../support/audit-trail.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { cpuSecondsOf } from '../support/process-usage.ts';
import { type GatewayProcess, startGateway, tibetSip } from '../support/processes.ts';
import type { SipAgent } from '../support/sip-agent.ts';
import { callerDialog, type Dialog } from '../support/sip-dialog.ts';
import { addStockPhones, domain, openAgent, type StockPhone } from '../support/stock-phones.ts';
import { until } from '../support/until.ts';

/** Ends that are asked for: no longer than a person expects of Ctrl-C. */
const promptMs = 1_500;

let data: ReturnType<typeof dataDirectory>;
let gateway: GatewayProcess | undefined;
const agents: SipAgent[] = [];

beforeEach(() => {
  data = dataDirectory();
});
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.close()));
  await gateway?.kill();
  gateway = undefined;
  data.remove();
});

/** `serve` that is expected to end by itself: what it said, line by line. */
async function serve(
  ...set: readonly string[]
): Promise<{ code: number | null; out: string; lines: string[] }> {
  const sets = ['listen=udp://127.0.0.1:0', 'admin.listen=off', ...set].flatMap((value) => ['--set', value]);
  const { code, out, err } = await tibetSip(['serve', '--json', '--data-dir', data.path, ...sets]);
  return { code, out, lines: err.trim().split('\n') };
}

describe('a gateway that cannot start says why in one line and ends', () => {
  it('UDP port in use', async () => {
    const holder = createSocket('udp4').bind(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address();
    const { code, out, lines } = await serve(`listen=udp://127.0.0.1:${port}`);
    holder.close();
    expect({ code, out, count: lines.length }).toEqual({ code: exitCodes.unavailable, out: '', count: 1 });
    expect(lines[0]).toMatch(new RegExp(`127.0.0.1:${port} is .*in use`));
  });

  it('admin port in use, with the SIP sockets open already', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const address = holder.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const { code, out, lines } = await serve(`admin.listen=http://127.0.0.1:${port}`);
    holder.close();
    expect({ code, out, count: lines.length }).toEqual({ code: exitCodes.unavailable, out: '', count: 1 });
    expect(lines[0]).toMatch(new RegExp(`127.0.0.1:${port} is .*in use`));
  });

  it('broken configuration: every problem with its path, and nothing is created', async () => {
    data.remove();
    const { code, out, lines } = await serve('listen=carrier-pigeon://here', 'calls.ringTimeoutMs=never');
    expect({ code, out, count: lines.length }).toEqual({ code: exitCodes.config, out: '', count: 2 });
    expect(lines.join('\n')).toMatch(/config: listen.*\n.*config: calls\.ringTimeoutMs/);
    expect(existsSync(data.path)).toBe(false);
  });

  it('data directory that cannot be written', async (context) => {
    const restore = makeReadOnly(data.path);
    if (restore === undefined) return context.skip('root writes everywhere and may not mount here');
    const { code, out, lines } = await serve();
    restore();
    expect({ code, out, count: lines.length }).toEqual({ code: exitCodes.storage, out: '', count: 1 });
    expect(lines[0]).toContain(data.path);
  });

  it('data directory of a running gateway, which goes on undisturbed', async () => {
    const [alice] = await addStockPhones(data.path, ['alice']);
    gateway = await startGateway({ dataDir: data.path });
    const { code, out, lines } = await serve();
    expect({ code, out, count: lines.length }).toEqual({ code: exitCodes.unavailable, out: '', count: 1 });
    expect(lines[0]).toMatch(/in use by another process/);
    const phone = await open(alice);
    expect((await phone.register()).status).toBe(200);
  });
});

describe('a start', () => {
  it('on a used data directory costs less than two seconds', async () => {
    gateway = await startGateway({ dataDir: data.path });
    await gateway.stop();
    gateway = await startGateway({ dataDir: data.path });
    expect(cpuSecondsOf(gateway.pid)).toBeLessThan(2);
  });
});

describe('Ctrl-C', () => {
  it('ends a gateway promptly with exit code 0, although transactions linger for retransmissions', async () => {
    const { caller, callee } = await twoPhones();
    const { dialog } = await establish(caller, callee);
    await hangUp(caller, callee, dialog);
    expect(await endsWithin(promptMs)).toBe(exitCodes.ok);
    expect(callStories(await readTrail(data.path))).toEqual({ 'attempt ringing answer end': 1 });
  });

  it('lets a ringing phone answer, and closes the record of the call that outlives the gateway', async () => {
    const { caller, callee } = await twoPhones();
    const { request } = await caller.begin('INVITE', callee.address);
    const ringing = await callee.incoming('INVITE');
    callee.reply(ringing, 180);
    await caller.provisional(request, 180);
    const ended = endsWithin(promptMs);
    callee.reply(ringing, 200);
    expect((await caller.final(request)).status).toBe(200);
    expect(await ended).toBe(exitCodes.ok);

    const trail = await readTrail(data.path);
    expect(callStories(trail)).toEqual({ 'attempt ringing answer failure': 1 });
    expect(trail.at(-1)?.erin).toMatchObject({ outcome: 'interrupted', by: 'gateway' });
    expect(await verifyTrail(data.path)).toMatchObject({ valid: true, openCalls: 0 });
  });
});

describe('a full disk', () => {
  it('turns callers away with 503, and calls go again when there is space', async (context) => {
    const unmount = mountTiny(data.path);
    if (unmount === undefined) return context.skip('needs root and the right to mount a tmpfs');
    try {
      const { caller, callee } = await twoPhones('limits.audit.healDelayMs=50');
      const { dialog: earlier } = await establish(caller, callee);
      // Ringing and answer are written a moment after the caller has heard of them.
      await until(
        'the call is on record',
        async () => 'attempt ringing answer' in callStories(await readTrail(data.path)),
      );
      const filler = join(data.path, 'filler');
      fill(filler);
      // A call whose record still fits into the journal's last page goes on: the log finds out at its next checkpoint.
      await until('the log has found out', () => gateway?.log().includes('cannot write') === true);
      const { response } = await caller.ask('INVITE', callee.address);
      expect({ status: response.status, after: headerValue(response, 'retry-after') }).toEqual({
        status: 503,
        after: '5',
      });
      expect((await caller.register()).status).toBe(503);
      await hangUp(caller, callee, earlier);

      rmSync(filler, { recursive: true });
      await until(
        'the gateway takes registrations again',
        async () => (await caller.register()).status === 200,
      );
      const { dialog } = await establish(caller, callee);
      await hangUp(caller, callee, dialog);
      expect(await gateway?.stop()).toBe(exitCodes.ok);

      const trail = await readTrail(data.path);
      expect(chainFaults(trail)).toEqual([]);
      expect(callStories(trail)).toEqual({ 'attempt ringing answer end': 2 });
      expect(await verifyTrail(data.path)).toMatchObject({ problems: [], valid: true, openCalls: 0 });
    } finally {
      await gateway?.kill();
      unmount();
    }
  });
});

describe('a log that does not keep up', () => {
  it('turns callers and phones away with 503 until it does', async () => {
    const [alice, bob] = await addStockPhones(data.path, ['alice', 'bob']);
    gateway = await startGateway({
      dataDir: data.path,
      set: [
        'limits.audit.maxWaitingRecords=1',
        'limits.audit.checkpointDelayMs=1000',
        'registrar.watchers=jis:alice',
      ],
    });
    const caller = await open(alice);
    const registers = async (): Promise<boolean> => (await caller.register()).status === 200;
    // The record of the gateway's start waits for its checkpoint first.
    await until('there is room for a record', registers);
    // The record of the registration waits for its checkpoint: there is no room for another one.
    for (const [method, address] of [
      ['INVITE', caller.address],
      ['SUBSCRIBE', `sip:${bob?.user}@${domain}`],
    ] as const) {
      const { response } = await caller.ask(method, address, { headers: [headerField('Event', 'reg')] });
      expect({ status: response.status, after: headerValue(response, 'retry-after') }).toEqual({
        status: 503,
        after: '5',
      });
    }
    expect((await caller.register()).status).toBe(503);
    await until('there is room again', registers);
  });
});

async function open(phone: StockPhone | undefined): Promise<SipAgent> {
  if (gateway === undefined || phone === undefined) throw new Error('nothing to connect to');
  const agent = await openAgent(gateway, phone);
  agents.push(agent);
  return agent;
}

/** A gateway with two registered phones. */
async function twoPhones(...set: readonly string[]): Promise<{ caller: SipAgent; callee: SipAgent }> {
  const [alice, bob] = await addStockPhones(data.path, ['alice', 'bob']);
  gateway = await startGateway({ dataDir: data.path, set });
  const [caller, callee] = [await open(alice), await open(bob)];
  for (const phone of [caller, callee]) expect((await phone.register()).status).toBe(200);
  return { caller, callee };
}

async function establish(caller: SipAgent, callee: SipAgent): Promise<{ dialog: Dialog }> {
  const { request } = await caller.begin('INVITE', callee.address);
  // An INVITE of a call that was turned away meanwhile may still lie there.
  let invite = await callee.incoming('INVITE');
  while (invite.callId !== request.callId) invite = await callee.incoming('INVITE');
  callee.reply(invite, 180);
  callee.reply(invite, 200);
  const dialog = callerDialog(await caller.final(request));
  caller.inDialog(dialog, 'ACK');
  await callee.incoming('ACK');
  return { dialog };
}

async function hangUp(caller: SipAgent, callee: SipAgent, dialog: Dialog): Promise<void> {
  const bye = caller.inDialog(dialog, 'BYE');
  callee.reply(await callee.incoming('BYE'), 200);
  expect((await caller.final(bye)).status).toBe(200);
}

/** Interrupts the gateway; its exit code when that takes no longer. */
async function endsWithin(limitMs: number): Promise<number | null | undefined> {
  const startedMs = performance.now();
  const code = await gateway?.stop();
  expect(performance.now() - startedMs).toBeLessThan(limitMs);
  return code;
}

/** Undoes itself; undefined where nothing can be made read-only for this user. */
function makeReadOnly(path: string): (() => void) | undefined {
  if (process.getuid?.() !== 0) {
    chmodSync(path, 0o500);
    return () => chmodSync(path, 0o700);
  }
  return mount(path, 'ro');
}

function mountTiny(path: string): (() => void) | undefined {
  return process.getuid?.() === 0 ? mount(path, 'size=16m') : undefined;
}

function mount(path: string, options: string): (() => void) | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return () => execFileSync('umount', [path]);
}

/** Leaves no block free. */
function fill(path: string): void {
  mkdirSync(path);
  for (const bytes of [1 << 20, 1 << 12, 1]) {
    try {
      for (let file = 0; ; file += 1) writeFileSync(join(path, `${bytes}-${file}`), new Uint8Array(bytes));
    } catch {
      // Full for files of this size.
    }
  }
}

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { dataDirectory } from '../support/data-directory.ts';
import { type Finished, type GatewayProcess, run, startGateway } from '../support/processes.ts';
import { addStockPhones, domain, openAgent, type StockPhone } from '../support/stock-phones.ts';
import { expectAlive } from './support/alive.ts';

type Tool = 'svmap' | 'svwar' | 'svcrack';

const known = ['100', '105', '110'];
/** 100 to 119: three of them exist. */
const range = '100-119';

const data = dataDirectory();
const cwd = mkdtempSync(join(tmpdir(), 'tibet-sip-sipvicious-'));
let gateway: GatewayProcess;
let victim: StockPhone;

beforeAll(async () => {
  const phones = await addStockPhones(data.path, known);
  const [first] = phones;
  if (first === undefined) throw new Error('no phone');
  victim = first;
  gateway = await startGateway({ dataDir: data.path });
});
afterEach(() => expectAlive({ domain, port: (transport) => gateway.port(transport) }));
afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
  data.remove();
  rmSync(cwd, { recursive: true, force: true });
});

/** The program under either of its names; undefined where it is not installed. */
function find(tool: Tool): string | undefined {
  return [tool, `sipvicious_${tool}`].find((name) => {
    try {
      execFileSync('which', [name], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

/** What the tool printed, colours left out. */
async function scan(program: string, args: readonly string[]): Promise<string> {
  const finished: Finished = await run(program, [...args], { timeoutMs: 40_000, cwd });
  const escapeCode = String.fromCharCode(27);
  return `${finished.out}${finished.err}`.replaceAll(new RegExp(`${escapeCode}\\[[0-9;]*m`, 'g'), '');
}

/** Extensions that svwar lists, with what it says of each. */
function listed(output: string): string[] {
  return [...output.matchAll(/^\|\s*(\d+)\s*\|/gm)].map((match) => match[1] ?? '');
}

describe('sipvicious', () => {
  it('svmap sees that there is a SIP server and learns no product or version', {
    timeout: 60_000,
  }, async (context) => {
    const program = find('svmap');
    if (program === undefined) return context.skip('svmap (Debian: sipvicious) is not installed');
    const output = await scan(program, ['-p', String(gateway.port('udp')), '127.0.0.1']);
    expect(output).toContain(`127.0.0.1:${gateway.port('udp')}`);
    expect(output).not.toMatch(/tibet|node|\d+\.\d+\.\d+ /i);
  });

  it.for(['REGISTER', 'INVITE', 'OPTIONS'])(
    'svwar by %s cannot tell extensions that exist from others',
    { timeout: 60_000 },
    async (method, context) => {
      const program = find('svwar');
      if (program === undefined) return context.skip('svwar (Debian: sipvicious) is not installed');
      const args = [
        '-m',
        method,
        '-e',
        range,
        '-p',
        String(gateway.port('udp')),
        '--domain',
        domain,
        '--maximumtime',
        '3',
        '127.0.0.1',
      ];
      for (const options of [args, ['--force', ...args]]) {
        const output = await scan(program, options);
        expect(output).toContain('found nothing');
        expect(listed(output)).toEqual([]);
      }
    },
  );

  it('svcrack is stopped before it comes to the password', { timeout: 60_000 }, async (context) => {
    const program = find('svcrack');
    if (program === undefined) return context.skip('svcrack (Debian: sipvicious) is not installed');
    const dictionary = join(cwd, 'words');
    const words = Array.from({ length: 60 }, (_, at) => `guess-${at}`);
    writeFileSync(dictionary, `${[...words, victim.password].join('\n')}\n`);
    const output = await scan(program, [
      '-u',
      victim.user,
      '-d',
      dictionary,
      '-p',
      String(gateway.port('udp')),
      '--domain',
      domain,
      '--maximumtime',
      '5',
      '127.0.0.1',
    ]);
    expect(output).not.toContain(victim.password);
    expect(gateway.log()).toContain('throttled');
    const failures = gateway.log().match(/wrong-response/g) ?? [];
    expect(failures.length).toBeLessThanOrEqual(20);
    const owner = await openAgent(gateway, victim, 'tcp');
    const nothing = await owner.ask('OPTIONS', `sip:${domain}`);
    await owner.close();
    expect(nothing.response.status).toBe(200);
  });
});

import { spawn } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { saveIdentity } from '../../src/tokens/index.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { freePort } from '../support/free-port.ts';
import { type GatewayProcess, startGateway, tibetSipCommand } from '../support/processes.ts';
import { newIdentity } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';
import { jsonLines, runCli } from './recorded-terminal.ts';

const data = dataDirectory();
const phones: PhoneProcess[] = [];
let gateway: GatewayProcess;
let url: string;

beforeAll(async () => {
  gateway = await startGateway({ dataDir: join(data.path, 'gateway') });
  url = `ws://127.0.0.1:${gateway.port('ws')}`;
});
afterEach(async () => {
  await Promise.all(phones.splice(0).map((phone) => phone.kill()));
});
afterAll(async () => {
  await gateway.stop();
  data.remove();
});

interface PhoneProcess {
  readonly out: () => string;
  readonly err: () => string;
  /** Resolves once the words stand on standard output. */
  says(words: string): Promise<void>;
  type(line: string): void;
  closeInput(): void;
  signal(name: 'SIGINT' | 'SIGTERM'): void;
  readonly exited: Promise<number | null>;
  kill(): Promise<unknown>;
}

/** `tibet-sip phone` in a process of its own, at the gateway unless `args` name another one. */
function start(
  file: string,
  args: readonly string[] = [],
  options: { readonly gateway?: string; readonly env?: Readonly<Record<string, string>> } = {},
): PhoneProcess {
  const [node, main] = tibetSipCommand;
  const child = spawn(
    node,
    [
      main,
      'phone',
      '--identity',
      file,
      '--gateway',
      options.gateway ?? url,
      '--domain',
      'localhost',
      ...args,
    ],
    { env: { ...process.env, ...options.env } },
  );
  const [out, err]: string[][] = [[], []] as const;
  child.stdout.setEncoding('utf8').on('data', (text: string) => out?.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => err?.push(text));
  const exited = new Promise<number | null>((resolve) => child.on('close', resolve));
  const textOf = (parts: string[] | undefined): string => parts?.join('') ?? '';
  const phone: PhoneProcess = {
    out: () => textOf(out),
    err: () => textOf(err),
    says: (words) =>
      until(`the phone says "${words}"`, () => textOf(out).includes(words)).catch((error: Error) => {
        throw new Error(`${error.message}; it said: ${textOf(out)}${textOf(err)}`);
      }),
    type: (line) => void child.stdin.write(`${line}\n`),
    closeInput: () => void child.stdin.end(),
    signal: (name) => void child.kill(name),
    exited,
    kill: () => {
      child.kill('SIGKILL');
      return exited;
    },
  };
  phones.push(phone);
  return phone;
}

/** An identity file for `jis:<name>`. */
async function identityFile(name: string, passphrase?: string): Promise<string> {
  const { token, key } = newIdentity(`jis:${name}`);
  const file = join(data.path, `${name}-${token.fingerprint.slice(0, 6)}.json`);
  if (!('seed' in key) || !(key.seed instanceof Uint8Array)) throw new Error('no seed');
  await saveIdentity(file, { token, seed: key.seed }, passphrase);
  return file;
}

async function answering(name: string, args: readonly string[] = []): Promise<PhoneProcess> {
  const phone = start(await identityFile(name), ['--answer', ...args]);
  await phone.says('registered');
  return phone;
}

describe('tibet-sip phone --call', () => {
  it('exits 0 after a call that was answered and that --hang-up-after has ended', async () => {
    const bob = await answering('bob-1');
    const alice = start(await identityFile('alice-1'), [
      '--call',
      'jis:bob-1',
      '--intent',
      'callback, ticket 4711',
      '--hang-up-after',
      '0.1',
    ]);
    expect(await alice.exited, alice.err()).toBe(0);
    expect(alice.out()).toMatch(/registered: can be called\ncalling .*\n(ringing .*\n)?in a call with .*\n/);
    await bob.says('is calling: "callback, ticket 4711", assurance 3');
    await bob.says('hung up by the other side');
  });

  it('exits at once when the other side ends the call, however long --hang-up-after is', async () => {
    await answering('bob-2', ['--hang-up-after', '0.1']);
    const alice = start(await identityFile('alice-2'), ['--call', 'bob-2', '--hang-up-after', '3600']);
    expect(await alice.exited, alice.err()).toBe(0);
  });

  it('exits 5 when it is declined, 6 when it is busy or gone, 4 when nobody has the name', {
    timeout: 60_000,
  }, async () => {
    const bob = start(await identityFile('bob-3'));
    await bob.says('registered');
    const declined = start(await identityFile('alice-3'), ['--call', 'bob-3']);
    await bob.says('alice-3@localhost is calling');
    bob.type('hangup');
    expect(await declined.exited).toBe(5);
    expect(declined.err()).toBe('tibet-sip: not answered by bob-3: 603 Decline\n');

    const first = start(await identityFile('carol-3'), ['--call', 'bob-3', '--json']);
    await bob.says('carol-3@localhost is calling');
    const busy = start(await identityFile('dave-3'), ['--call', 'bob-3']);
    expect(await busy.exited).toBe(6);
    expect(busy.err()).toBe('tibet-sip: not answered by bob-3: 486 Busy Here\n');
    bob.signal('SIGTERM');
    expect(await bob.exited).toBe(0);
    expect(await first.exited).toBe(5);

    const gone = start(await identityFile('eve-3'), ['--call', 'bob-3']);
    const nobody = start(await identityFile('frank-3'), ['--call', 'jis:nobody']);
    expect(await gone.exited).toBe(6);
    expect(gone.err()).toContain('480');
    expect(await nobody.exited).toBe(4);
    expect(nobody.err()).toContain('404 Not Found');
  });

  it('exits 6 when no gateway answers for ten seconds', { timeout: 60_000 }, async () => {
    const gateway = `ws://127.0.0.1:${await freePort()}`;
    const alice = start(await identityFile('alice-6'), ['--call', 'jis:bob'], { gateway });
    expect(await alice.exited).toBe(6);
    expect(alice.err()).toContain('no gateway answers there; start one with "tibet-sip serve"');
  });

  it('exits 5 when the gateway refuses the registration', async () => {
    await answering('bob-4');
    const mallory = start(await identityFile('bob-4'));
    expect(await mallory.exited).toBe(5);
    expect(mallory.err()).toBe('tibet-sip: registration refused: 403 Name Held By Another Key\n');
  });
});

describe('tibet-sip phone, typed at', () => {
  it('calls, answers, hangs up and quits', async () => {
    const alice = start(await identityFile('alice-5'));
    const bob = start(await identityFile('bob-5'));
    await Promise.all([alice.says('registered'), bob.says('registered')]);
    alice.type('help');
    await alice.says('call <whom> · answer · hangup · quit');
    alice.type('call jis:bob-5');
    await bob.says('type "answer" or "hangup"');
    bob.type('answer');
    await alice.says('in a call with');
    alice.type('hangup');
    await bob.says('hung up by the other side');
    alice.type('call two words');
    await alice.says('two words at localhost is no SIP address');
    bob.type('quit');
    expect(await bob.exited).toBe(0);
  });

  it('goes on when its input ends, and unregisters on SIGINT with exit code 0', async () => {
    const bob = start(await identityFile('bob-6'), ['--json']);
    await bob.says('"registered"');
    bob.closeInput();
    const alice = start(await identityFile('alice-6'), ['--call', 'bob-6', '--json']);
    await bob.says('"incoming"');
    bob.signal('SIGINT');
    expect(await bob.exited, bob.err()).toBe(0);
    expect(await alice.exited).toBe(5);
    const events = jsonLines(bob.out());
    expect(events.map(({ event }) => event)).toEqual([
      'connected',
      'registered',
      'incoming',
      'ended',
      'unregistered',
    ]);
    expect(events[2]).toMatchObject({
      remote: 'sip:alice-6@localhost',
      intent: { text: 'voice call to bob-6', assurance: 3 },
    });
  });
});

describe('tibet-sip phone without a gateway', () => {
  it('keeps trying until it is there', async () => {
    const directory = join(data.path, 'late');
    const first = await startGateway({ dataDir: directory });
    const port = first.port('ws');
    await first.stop();
    const alice = start(await identityFile('alice-7'), [], { gateway: `ws://127.0.0.1:${port}` });
    await alice.says('no connection to the gateway; trying again in');
    const gatewayLater = await startGateway({ dataDir: directory, set: [`listen=ws://127.0.0.1:${port}`] });
    await alice.says('registered');
    await gatewayLater.kill();
    await alice.says('registered: can be called\nno connection');
    alice.signal('SIGINT');
    expect(await alice.exited).toBe(0);
  });
});

describe('tibet-sip phone at a gateway that has frozen', () => {
  it('ends within seconds of SIGINT all the same, with exit code 0', async () => {
    const frozen = await startGateway({ dataDir: join(data.path, 'frozen') });
    const alice = start(await identityFile('alice-11'), [], {
      gateway: `ws://127.0.0.1:${frozen.port('ws')}`,
    });
    await alice.says('registered');
    process.kill(frozen.pid, 'SIGSTOP');
    alice.signal('SIGINT');
    expect(await alice.exited, alice.err()).toBe(0);
    await frozen.kill();
  });
});

describe('tibet-sip phone, wrongly called', () => {
  const phone = (...args: string[]) => runCli(['phone', '--gateway', 'ws://127.0.0.1:1', ...args]);

  it('says what is wrong with the file, the passphrase and the arguments', async () => {
    const file = await identityFile('alice-8');
    const sealed = await identityFile('alice-9', 'correct horse');
    expect(await phone('--identity', join(data.path, 'none.json'))).toMatchObject({ code: 4 });
    const notOne = await phone('--identity', join(import.meta.dirname, 'phone.test.ts'));
    expect(notOne.err).toContain('is not JSON');
    expect(notOne.code).not.toBe(0);
    const closed = await phone('--identity', sealed);
    expect(closed).toMatchObject({ code: 5 });
    expect(closed.err).toMatch(/passphrase/);
    const wrong = await runCli(['phone', '--identity', sealed, '--gateway', url], {
      TIBET_SIP_PASSPHRASE: 'wrong',
    });
    expect(wrong).toMatchObject({ code: 5 });
    expect(wrong.err).not.toContain('wrong horse');
    for (const gatewayUrl of ['localhost:5080', 'http://127.0.0.1', 'ws://'])
      expect(await runCli(['phone', '--identity', file, '--gateway', gatewayUrl])).toMatchObject({
        code: 2,
        err: `tibet-sip: --gateway ${gatewayUrl} is not a ws:// or wss:// address`,
      });
    expect(await phone('--identity', file, '--hang-up-after', 'soon')).toMatchObject({
      code: 2,
      err: 'tibet-sip: --hang-up-after soon is not a number of seconds',
    });
  });

  it('warns of a secret that others can read', async () => {
    const file = await identityFile('alice-10');
    chmodSync(file, 0o644);
    const alice = start(file);
    await alice.says('registered');
    expect(alice.err()).toContain('chmod 600');
  });
});

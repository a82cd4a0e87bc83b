import { rmSync } from 'node:fs';
import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { silentLogger, systemClock, systemRandom } from '../base/index.ts';
import { loadConfig } from '../config/index.ts';
import type { Call } from '../softphone/index.ts';
import { decodeIntentToken, verifyIntentToken } from '../tokens/index.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import type { DemoPhone } from './demo-phone.ts';
import { type ExitReason, exitCodes } from './exit-codes.ts';
import { CliError } from './failure.ts';
import { type Output, printable } from './output.ts';
import type { Terminal } from './terminal.ts';

/** Runs one command line of this program; given by the program so that the demo shows what users type. */
export type RunCommand = (args: readonly string[], terminal: Terminal) => Promise<number>;

export function registerDemo(program: Command, terminal: Terminal, run: RunCommand): void {
  addCommand(program, {
    usage: 'demo',
    summary: 'a whole story on this machine: phones with keys, a stock phone, calls, the record, forgeries',
    example: 'demo',
  }).action(async (options: CommonOptions) => {
    const { output } = openContext(terminal, options);
    const directory = await mkdtemp(join(tmpdir(), 'tibet-sip-demo-'));
    // It holds keys and passwords, so it goes away whichever way this ends: a signal, or a closed pipe, too.
    const remove = (): void =>
      rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
    const removeAtOnce = (): void => {
      // A thread may be making a file in it just now, and with it the directory again.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lastWritesMs);
      remove();
    };
    process.once('exit', removeAtOnce);
    const stopListening = terminal.onSignal(() => process.exit(exitCodes.forced));
    try {
      await new Demo(directory, output, run).tell();
    } finally {
      stopListening();
      process.off('exit', removeAtOnce);
      remove();
    }
  });
}

/** How long file operations that were under way may take when the process ends. */
const lastWritesMs = 100;

/** One telling of the story: real sockets on loopback, everything it makes lies in `directory`. */
class Demo {
  readonly #directory: string;
  readonly #output: Output;
  readonly #run: RunCommand;
  /** What is open, newest first: the gateway closes last. */
  readonly #closing: (() => Promise<void>)[] = [];
  #people = 0;

  constructor(directory: string, output: Output, run: RunCommand) {
    this.#directory = directory;
    this.#output = output;
    this.#run = run;
  }

  async tell(): Promise<void> {
    const dataDir = join(this.#directory, 'data');
    this.#say('1', 'A gateway starts on free ports of this machine. Nothing else runs beside it.');
    const device = await this.#command(['device', 'add', 'jis:desk-7', '--extension', '1007'], dataDir);
    const { createGateway } = await import('../gateway/index.ts');
    const gateway = createGateway({
      config: loadConfig({
        file: undefined,
        env: {},
        overrides: [
          `dataDir=${JSON.stringify(dataDir)}`,
          'listen=udp://127.0.0.1:0, ws://127.0.0.1:0',
          'admin.listen=off',
          'log.level=silent',
        ],
      }),
      logger: silentLogger,
    });
    this.#closing.push(() => gateway.close());
    try {
      const { listen } = await gateway.start();
      const port = (transport: string): number =>
        listen.find((address) => address.transport === transport)?.port ?? 0;
      await this.#calls(`ws://127.0.0.1:${port('ws')}`, port('udp'), device);
    } finally {
      for (const close of this.#closing.splice(0)) await close();
    }
    await this.#record(dataDir);
    this.#say('', 'That was it. "npm start" runs a gateway to stay; README.md says how to call through it.');
  }

  async #calls(gateway: string, udpPort: number, device: Readonly<Record<string, string>>): Promise<void> {
    const { DeskPhone } = await import('../softphone/index.ts');
    this.#say('2', 'Alice and Bob each make an identity: a key of their own, and a name.');
    const alice = await this.#phone('jis:alice', gateway);
    const bob = await this.#phone('jis:bob', gateway);
    this.#say('', `jis:alice  ${alice.fingerprint}\njis:bob    ${bob.fingerprint}`);
    this.#say('', 'Both registered in one round trip: the REGISTER itself carries the proof of the key.');

    this.#say('3', 'A stock desk phone gets a password and registers by digest, over UDP.');
    const desk = new DeskPhone({
      gateway: { address: '127.0.0.1', port: udpPort },
      domain: '127.0.0.1',
      user: '1007',
      credential: {
        realm: device['realm'] ?? '',
        username: device['username'] ?? '',
        password: device['password'] ?? '',
      },
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
    this.#closing.unshift(() => desk.close());
    await desk.start();
    const { status } = await desk.register();
    if (status !== 200) throw new CliError('failure', `the desk phone was answered ${status}`);

    this.#say('4', 'Alice calls jis:bob and says why; her phone signs it.');
    await alice.call('jis:bob', 'callback, ticket 4711');
    const heard = await bob.answered();
    this.#say('', this.#readToken(heard, 3, alice.publicKey, 'checked with her public key'));
    await alice.hangUp();
    await bob.ended(heard);

    this.#say('5', 'Bob calls extension 1007: a WebSocket phone reaches a UDP phone.');
    await bob.call('1007', 'is the printer back?');
    this.#say('', 'the desk phone has answered');
    await bob.hangUp();

    this.#say('6', 'The desk phone calls Alice. It cannot sign, so the gateway does, and says so.');
    const call = await desk.call('alice', 'the printer is back');
    const rung = await alice.answered();
    this.#say('', this.#readToken(rung, 1, undefined, 'signed by the gateway'));
    await call.hangUp();
    await alice.ended(rung);

    this.#say('7', 'Mallory makes a key of her own and registers as jis:alice.');
    const refusal = await this.#refusedPhone('jis:alice', gateway);
    this.#say('', `refused: ${refusal}`);
  }

  async #record(dataDir: string): Promise<void> {
    this.#say('8', 'What the audit log has of Alice (tibet-sip audit list --identity jis:alice):');
    await this.#show(['audit', 'list', '--identity', 'jis:alice'], dataDir, 'ok');
    this.#say('9', 'The log is verified offline (tibet-sip audit verify):');
    await this.#show(['audit', 'verify'], dataDir, 'ok');
    this.#say('10', 'Now somebody changes one byte of the log:');
    const forged = join(this.#directory, 'forged');
    await cp(dataDir, forged, { recursive: true });
    await flipOneByte(join(forged, 'log', 'openings', '000'));
    await this.#show(['audit', 'verify'], forged, 'refused');
  }

  async #phone(name: string, gateway: string): Promise<DemoPhone> {
    const file = join(this.#directory, `${name.slice(4)}-${this.#people++}.json`);
    await this.#command(['identity', 'new', '--name', name, '--out', file], this.#directory);
    // Loaded late: SIP.js is large, and no other command needs it.
    const { DemoPhone } = await import('./demo-phone.ts');
    const phone = await DemoPhone.start(file, gateway);
    this.#closing.unshift(() => phone.close());
    return phone;
  }

  async #refusedPhone(name: string, gateway: string): Promise<string> {
    const phone = await this.#phone(name, gateway).catch((error: unknown) =>
      String(error instanceof Error ? error.message : error),
    );
    if (typeof phone === 'string') return phone;
    throw new CliError('failure', 'a second key got the name');
  }

  /** What the callee can tell from the token of the call that it has just answered. */
  #readToken(call: Call, expected: number, publicKey: Uint8Array | undefined, how: string): string {
    const token = decodeIntentToken(call.intentToken ?? '');
    const { intent, assurance } = token;
    if (assurance !== expected)
      throw new CliError('failure', `the token claims assurance ${assurance}, not ${expected}`);
    if (publicKey !== undefined && !verifyIntentToken(token, publicKey))
      throw new CliError('failure', 'the intent token does not verify');
    return `the callee reads: "${intent.text}" (assurance ${assurance}, ${how})`;
  }

  /** Runs a command of this program and gives what it printed as JSON. */
  async #command(args: readonly string[], dataDir: string): Promise<Readonly<Record<string, string>>> {
    const printed: string[] = [];
    const code = await this.#run([...args, '--json', '--data-dir', dataDir], quietTerminal(printed));
    if (code !== 0)
      throw new CliError('failure', `"${args.join(' ')}" ended with ${code}: ${printed.join(' ')}`);
    return JSON.parse(printed.join('\n')) as Readonly<Record<string, string>>;
  }

  /** Runs a command of this program, which must end as `expected`, and shows its output as a user would see it. */
  async #show(args: readonly string[], dataDir: string, expected: ExitReason): Promise<void> {
    const printed: string[] = [];
    const code = await this.#run([...args, '--data-dir', dataDir], quietTerminal(printed));
    this.#say('', printed.join('\n'));
    if (code !== exitCodes[expected])
      throw new CliError('failure', `"${args.join(' ')}" ended with ${code}, not ${exitCodes[expected]}`);
  }

  #say(step: string, text: string): void {
    if (this.#output.json) this.#output.jsonLine({ step, text });
    else
      for (const line of text.split('\n'))
        this.#output.text(`${step.padStart(2)}  ${printable(line)}`.trimEnd());
  }
}

async function flipOneByte(file: string): Promise<void> {
  const bytes = await readFile(file);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await writeFile(file, bytes);
}

function quietTerminal(printed: string[]): Terminal {
  return {
    env: {},
    out: (text) => void printed.push(text),
    err: (text) => void printed.push(text),
    onSignal: () => () => {},
    onHangup: () => () => {},
  };
}

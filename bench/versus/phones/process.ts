/** The load generator's own process: does what `phones.ts` asks. */
import { setTimeout as delay } from 'node:timers/promises';
import { type CallResult, placeCalls } from './calling.ts';
import {
  type CallCommand,
  type Commands,
  type KeysCommand,
  passwordOf,
  type RegisterCommand,
  type RegisterResult,
} from './commands.ts';
import { type Account, KeyPhone, register } from './registering.ts';
import { Switchboard } from './switchboard.ts';
import { openWire, type Wire } from './wire.ts';

/** So many phones share an address, as in a small office: no server takes all it can from one. */
const phonesPerAddress = 100;
const patienceMs = 60_000;
const retryMs = 1_000;
const board = new Switchboard();
const sockets = new Map<string, Promise<Wire>>();
const keyPhones: KeyPhone[] = [];
let registered: RegisterCommand | undefined;
let wires: Wire[] = [];

const commands: {
  readonly [Name in keyof Commands]: (asked: Commands[Name]['asked']) => Promise<Commands[Name]['answer']>;
} = {
  register: (asked) => {
    registered = asked;
    return registerPhones(asked);
  },
  reconnect: ({ port }) => {
    if (registered === undefined) throw new Error('nobody has registered yet');
    for (const wire of wires) wire.cut();
    wires = [];
    return registerPhones({ ...registered, port, atOnce: Number.POSITIVE_INFINITY }, patienceMs);
  },
  registerKeys,
  call,
};

process.on('message', (asked: { readonly name: keyof Commands; readonly options: never }) => {
  const before = process.cpuUsage();
  const began = performance.now();
  commands[asked.name](asked.options).then(
    (answer) => {
      const { user, system } = process.cpuUsage(before);
      process.send?.({ answer: { ...answer, busy: (user + system) / 1_000 / (performance.now() - began) } });
    },
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));

/** A phone that fails tries again on a new connection, until `patienceMs` have passed. */
function registerPhones(asked: RegisterCommand, patienceMs = 0): Promise<RegisterResult> {
  const { transport, port, prefix, count, names = count ?? 1, atOnce = 64, rate, localPort = 0 } = asked;
  const began = performance.now();
  return counted(count ?? 1, rate === undefined ? atOnce : Number.POSITIVE_INFINITY, async (at) => {
    if (rate !== undefined) await delay(Math.max(1, began + (at / rate) * 1_000 - performance.now()));
    const name = count === undefined ? prefix : `${prefix}-${at % names}`;
    const account: Account = { name, password: passwordOf(name) };
    const localAddress = addressOf(at % names);
    if (transport === 'udp') return register(board, await socketAt(localAddress, port, localPort), account);
    for (;;) {
      const wire = await openWire({ transport, port, localAddress, receive: board.receive }).catch(
        () => undefined,
      );
      if (wire !== undefined && (await register(board, wire, account))) {
        wires.push(wire);
        return true;
      }
      wire?.cut();
      if (performance.now() - began > patienceMs) return false;
      await delay(retryMs);
    }
  });
}

const addressOf = (at: number): string => {
  const office = Math.floor(at / phonesPerAddress);
  return `127.1.${office >> 8}.${(office & 0xff) + 1}`;
};

async function registerKeys({ port, count, rate, again }: KeysCommand): Promise<RegisterResult> {
  if (!again) {
    keyPhones.length = 0;
    for (let at = 0; at < count; at++) keyPhones.push(new KeyPhone(`key-${keyNames++}`));
  }
  const wire = await socketAt('127.0.0.3', port);
  const began = performance.now();
  return counted(count, Number.POSITIVE_INFINITY, async (at) => {
    await delay(Math.max(1, began + (at / rate) * 1_000 - performance.now()));
    return keyPhones[at]?.register(board, wire) ?? false;
  });
}
let keyNames = 0;

async function call(asked: CallCommand): Promise<CallResult> {
  return placeCalls(board, await socketAt(asked.from, asked.port), asked);
}

/** One UDP socket for all phones at an address. */
function socketAt(localAddress: string, port: number, localPort = 0): Promise<Wire> {
  const key = `${localAddress} ${localPort} ${port}`;
  const known =
    sockets.get(key) ?? openWire({ transport: 'udp', port, localAddress, localPort, receive: board.receive });
  sockets.set(key, known);
  return known;
}

async function counted(
  count: number,
  atOnce: number,
  work: (at: number) => Promise<boolean>,
): Promise<RegisterResult> {
  const [began, before] = [performance.now(), board.retransmissions];
  let [next, done] = [0, 0];
  const worker = async (): Promise<void> => {
    while (next < count) if (await work(next++).catch(() => false)) done++;
  };
  await Promise.all(Array.from({ length: Math.min(count, atOnce) }, worker));
  return {
    registered: done,
    failed: count - done,
    retransmissions: board.retransmissions - before,
    seconds: (performance.now() - began) / 1_000,
  };
}

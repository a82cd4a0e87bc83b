/**
 * CPU of the built-in relay beside that of rtpengine in user space, in one run and under the same calls: each of them
 * carries N calls of 50 packets a second in both directions. `node bench/media.ts [--calls 50] [--seconds 10]`
 * Senders and receivers live in a process of their own; the CPU is that of the process that relays alone.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { silentLogger, systemClock } from '../src/base/index.ts';
import { defaultRelayLimits, parseSdp, RelayEngine } from '../src/media/index.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '10' },
    role: { type: 'string', default: 'compare' },
  },
});
const calls = Number(values.calls);
const seconds = Number(values.seconds);
const packetsPerSecond = 50;
const payloadBytes = 160;
const ngPort = 22_222;

/** Where the two parties of a call send to. */
interface CallPorts {
  readonly caller: number;
  readonly callee: number;
}

interface Carrier {
  readonly pid: number;
  /** Ports for both parties of a call whose parties receive at these. */
  open(call: number, at: CallPorts): Promise<CallPorts>;
  close(): Promise<void>;
}

interface Result {
  readonly name: string;
  readonly sent: number;
  readonly received: number;
  readonly cpuMicros: number;
}

switch (values.role) {
  case 'relay':
    await serveRelay();
    break;
  case 'phones':
    servePhones();
    break;
  default:
    await compare();
}

async function compare(): Promise<void> {
  const results = [await measure('built-in relay', await startRelay())];
  if (existsSync('/usr/bin/rtpengine')) results.push(await measure('rtpengine', await startRtpengine()));
  else console.log('rtpengine-daemon is not installed: the relay is measured alone');
  for (const { name, sent, received, cpuMicros } of results) {
    const perPacket = cpuMicros / received;
    const perCallSecond = cpuMicros / 1_000 / calls / seconds;
    const lost = ((sent - received) / sent) * 100;
    console.log(
      `${name.padEnd(15)} ${received} packets (${lost.toFixed(2)} % lost)  ${perPacket.toFixed(2)} us/packet  ` +
        `${perCallSecond.toFixed(2)} ms of CPU per call and second`,
    );
  }
  const [relay, rtpengine] = results;
  if (relay !== undefined && rtpengine !== undefined) {
    const ratio = relay.cpuMicros / relay.received / (rtpengine.cpuMicros / rtpengine.received);
    console.log(`ratio           ${ratio.toFixed(2)}`);
  }
}

async function measure(name: string, carrier: Carrier): Promise<Result> {
  const phones = fork(import.meta.filename, ['--role=phones', `--calls=${calls}`, `--seconds=${seconds}`]);
  const at = await next<readonly CallPorts[]>(phones);
  const ports: CallPorts[] = [];
  for (const [call, receiving] of at.entries()) ports.push(await carrier.open(call, receiving));
  phones.send(ports);
  await next<'warm'>(phones);
  const before = cpuMicrosOf(carrier.pid);
  const { sent, received } = await next<{ sent: number; received: number }>(phones);
  const cpuMicros = cpuMicrosOf(carrier.pid) - before;
  phones.disconnect();
  await carrier.close();
  return { name, sent, received, cpuMicros };
}

/** User and system time of all threads, in clock ticks of 10 ms. */
function cpuMicrosOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

async function next<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, 'message')) as [T];
  return message;
}

async function startRelay(): Promise<Carrier> {
  const child = fork(import.meta.filename, ['--role=relay']);
  await next<'ready'>(child);
  return {
    pid: child.pid ?? 0,
    open: async (call, at) => {
      child.send({ call, at });
      return next<CallPorts>(child);
    },
    close: async () => {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

/** The relay alone in its process, as it runs inside the gateway. */
async function serveRelay(): Promise<void> {
  const engine = new RelayEngine({
    listen: [],
    address: [],
    ports: { first: 10_000, last: 29_999 },
    learnFrom: 'network',
    limits: defaultRelayLimits,
    clock: systemClock,
    logger: silentLogger,
  });
  await engine.start({ onSilent: () => {}, onLost: () => {} });
  const peer = { observed: '127.0.0.1', local: '127.0.0.1', transport: 'udp', trusted: false } as const;
  const open = async (call: number, at: CallPorts): Promise<CallPorts> => {
    const common = { session: `call-${call}`, calleeTag: 'b', sender: peer, receiver: peer };
    const offer = await engine.offer({ ...common, from: 'caller', sdp: sdpFor(at.caller) });
    const answer = await engine.answer({ ...common, from: 'callee', sdp: sdpFor(at.callee) });
    if (offer.kind === 'refused' || answer.kind === 'refused') throw new Error('the relay refused a call');
    return { caller: portIn(answer.sdp), callee: portIn(offer.sdp) };
  };
  process.on('message', ({ call, at }: { call: number; at: CallPorts }) => {
    void open(call, at).then((ports) => process.send?.(ports));
  });
  process.on('disconnect', () => void engine.close());
  process.send?.('ready');
}

async function startRtpengine(): Promise<Carrier> {
  const child = spawn(
    'rtpengine',
    [
      '--foreground',
      '--log-stderr',
      '--log-level=3',
      '--table=-1',
      '--interface=127.0.0.1',
      `--listen-ng=127.0.0.1:${ngPort}`,
      '--port-min=30000',
      '--port-max=49999',
      '--num-threads=2',
    ],
    { stdio: 'ignore' },
  );
  const control = await bound();
  const ask = async (command: Record<string, unknown>): Promise<string> => {
    const cookie = Math.random().toString(36).slice(2);
    const request = Buffer.from(`${cookie} ${bencode(command)}`, 'latin1');
    for (let tries = 0; tries < 50; tries++) {
      control.send(request, ngPort, '127.0.0.1');
      const reply = await Promise.race([
        once(control, 'message').then(([bytes]) => (bytes as Buffer).toString('latin1')),
        new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 200)),
      ]);
      if (reply?.startsWith(cookie)) return reply;
    }
    throw new Error('rtpengine does not answer');
  };
  await ask({ command: 'ping' });
  const exchange = async (
    call: number,
    command: string,
    tags: Record<string, string>,
    port: number,
  ): Promise<number> => {
    const sdp = sdpFor(port).toString('latin1');
    const reply = await ask({
      'call-id': `call-${call}`,
      command,
      sdp,
      ...tags,
      replace: ['origin', 'connection'],
    });
    return portIn(Buffer.from(reply.slice(reply.indexOf('v=0')), 'latin1'));
  };
  return {
    pid: child.pid ?? 0,
    open: async (call, at) => {
      const callee = await exchange(call, 'offer', { 'from-tag': 'a' }, at.caller);
      const caller = await exchange(call, 'answer', { 'from-tag': 'a', 'to-tag': 'b' }, at.callee);
      return { caller, callee };
    },
    close: async () => {
      control.close();
      child.kill();
      await once(child, 'exit');
    },
  };
}

/** BEP 3: what the ng protocol is written in; keys sorted. */
function bencode(value: unknown): string {
  if (typeof value === 'string') return `${value.length}:${value}`;
  if (Array.isArray(value)) return `l${value.map(bencode).join('')}e`;
  const entries = Object.entries(value as Record<string, unknown>).sort(([a], [b]) => (a < b ? -1 : 1));
  return `d${entries.map(([key, item]) => bencode(key) + bencode(item)).join('')}e`;
}

function sdpFor(port: number): Buffer {
  const lines = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'];
  return Buffer.from([...lines, `m=audio ${port} RTP/AVP 0`, 'a=sendrecv', ''].join('\r\n'));
}

/** Of the first stream; what stands behind the description in an answer of rtpengine is cut off. */
function portIn(sdp: Uint8Array): number {
  const text = Buffer.from(sdp).toString('latin1');
  const end = text.lastIndexOf('\r\n') + 2;
  return parseSdp(Buffer.from(text.slice(0, end), 'latin1')).media[0]?.port ?? 0;
}

async function bound(): Promise<Socket> {
  const socket = createSocket({
    type: 'udp4',
    lookup: (host, _options, done) => done(null, host, 4),
    recvBufferSize: 1 << 20,
  });
  // Nothing is looked up, so that it may listen before `bind` returns.
  const listening = once(socket, 'listening');
  socket.bind(0, '127.0.0.1');
  await listening;
  return socket;
}

/** Both parties of all calls: each sends a packet every 20 ms and counts what arrives. */
function servePhones(): void {
  void (async () => {
    let received = 0;
    const count = (): void => void received++;
    const parties: { readonly caller: Socket; readonly callee: Socket }[] = [];
    for (let i = 0; i < calls; i++) {
      const [caller, callee] = [await bound(), await bound()];
      caller.on('message', count);
      callee.on('message', count);
      parties.push({ caller, callee });
    }
    process.send?.(
      parties.map(({ caller, callee }) => ({ caller: caller.address().port, callee: callee.address().port })),
    );
    const [ports] = (await once(process, 'message')) as [readonly CallPorts[]];
    let sequence = 0;
    let sent = 0;
    const packet = Buffer.alloc(12 + payloadBytes);
    packet.writeUInt8(0x80, 0);
    const speak = (first: number, step: number): void => {
      for (let i = first; i < parties.length; i += step) {
        const [party, to] = [parties[i], ports[i]];
        if (party === undefined || to === undefined) continue;
        packet.writeUInt16BE(sequence & 0xffff, 2);
        packet.writeUInt32BE(sequence * 160, 4);
        for (const [socket, port, ssrc] of [
          [party.caller, to.caller, 2 * i],
          [party.callee, to.callee, 2 * i + 1],
        ] as const) {
          packet.writeUInt32BE(ssrc, 8);
          socket.send(Buffer.from(packet), port, '127.0.0.1');
          sent += 1;
        }
      }
    };
    /** Spread over the 20 ms, as calls that began at different times are. */
    const slots = 10;
    const run = async (forSeconds: number): Promise<void> => {
      const start = performance.now();
      const slotMs = 1_000 / packetsPerSecond / slots;
      for (let slot = 0; slot < forSeconds * packetsPerSecond * slots; slot++) {
        const dueMs = start + slot * slotMs - performance.now();
        if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs));
        speak(slot % slots, slots);
        if (slot % slots === slots - 1) sequence += 1;
      }
      await new Promise((resolve) => setTimeout(resolve, 300));
    };
    await run(1);
    sent = 0;
    received = 0;
    process.send?.('warm');
    await run(seconds);
    process.send?.({ sent, received });
    process.on('disconnect', () => process.exit());
  })();
}
